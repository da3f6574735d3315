/** The side panel: the manager of the kernel in use, or a sentence on why there is none to show. */
import type { TranslationBundle } from "@jupyterlab/translation";
import { LabIcon } from "@jupyterlab/ui-components";
import type { Message } from "@lumino/messaging";
import { type ISignal, Signal } from "@lumino/signaling";
import { Widget } from "@lumino/widgets";
import type { Summary } from "../protocol/schema";
import { ManagerPanel } from "../views/manager-panel";
import { mount } from "../views/mount";
import { Connection, ConnectionError } from "./connection";
import type { KernelFollower } from "./kernel-follower";

export const icon = new LabIcon({
  name: "rmm-widgets:models",
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161" d="M12 2 3 7v10l9 5 9-5V7zm0 2.300L18 7.600l-6 3.300-6-3.300z"/></svg>',
});

export class ModelsPanel extends Widget {
  readonly #follower: KernelFollower;
  readonly #trans: TranslationBundle;
  readonly #head = document.createElement("div");
  readonly #content = document.createElement("div");
  readonly #summaryChanged = new Signal<this, void>(this);
  #connection: Connection | null = null;
  #unmount: (() => void) | null = null;
  /** Grows with every change of what is shown: an answer that comes late must not paint over it. */
  #generation = 0;
  #connecting = false;
  #mayConnect: boolean;

  /** @param autoConnect whether showing the panel is enough to run code in a kernel */
  constructor(follower: KernelFollower, trans: TranslationBundle, autoConnect: boolean) {
    super();
    this.#follower = follower;
    this.#trans = trans;
    this.#mayConnect = autoConnect;
    this.id = "rmm-widgets-models";
    this.addClass("rmm-SidePanel");
    this.title.icon = icon;
    this.title.caption = trans.__("Models");
    this.node.setAttribute("role", "region");
    this.node.setAttribute("aria-label", trans.__("Models"));
    this.#head.className = "rmm-SidePanel-head";
    this.#content.className = "rmm-SidePanel-content";
    this.node.append(this.#head, this.#content);
    follower.changed.connect(this.#onKernelChanged);
  }

  set autoConnect(value: boolean) {
    this.#mayConnect = value;
    this.#refreshWhenVisible();
  }

  /** The connected manager's summary. */
  get summary(): Summary | null {
    return (this.#connection?.get("_summary") as Summary | null | undefined) ?? null;
  }

  get summaryChanged(): ISignal<this, void> {
    return this.#summaryChanged;
  }

  override dispose(): void {
    this.#follower.changed.disconnect(this.#onKernelChanged);
    this.#disconnect();
    super.dispose();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.#refreshWhenVisible();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.#refreshWhenVisible();
  }

  readonly #onKernelChanged = (): void => {
    this.#disconnect();
    this.#refreshWhenVisible();
  };

  #refreshWhenVisible(): void {
    if (this.isVisible && !this.#connection && !this.#connecting) {
      void this.#refresh(this.#mayConnect);
    }
  }

  async #refresh(connect: boolean): Promise<void> {
    const generation = ++this.#generation;
    const isStale = () => generation !== this.#generation;
    this.#connecting = true;
    try {
      const kernel = await this.#usableKernel(isStale);
      if (!kernel || isStale()) {
        return;
      }
      if (!connect) {
        this.#offerToConnect();
        return;
      }
      this.#say(this.#trans.__("Connecting… A busy kernel answers when its cell ends."));
      const connection = await Connection.open(kernel);
      if (isStale()) {
        connection.dispose();
        return;
      }
      this.#show(connection);
    } catch (error) {
      if (!isStale()) {
        this.#say(this.#explain(error));
      }
    } finally {
      if (!isStale()) {
        this.#connecting = false;
      }
    }
  }

  /** The kernel to talk to; where there is none, says so and returns null. */
  async #usableKernel(isStale: () => boolean) {
    const target = this.#follower.target;
    this.#head.textContent = target?.name ?? "";
    if (!target) {
      this.#say(this.#trans.__("No notebook or console is open. Open one to see the models of its kernel."));
      return null;
    }
    if (this.#follower.restarting) {
      this.#say(this.#trans.__("Not connected: the kernel is restarting or has ended."));
      return null;
    }
    this.#say(this.#trans.__("Waiting for the kernel…"));
    await target.sessionContext.ready;
    const kernel = this.#follower.kernel;
    if (isStale()) {
      return null;
    }
    if (!kernel) {
      this.#say(this.#trans.__("No kernel: start one for this notebook to see its models."));
      return null;
    }
    const language = (await kernel.info).language_info.name;
    if (language !== "python" && !isStale()) {
      this.#say(this.#trans.__("The kernel runs %1. Models are managed in Python kernels only.", language));
      return null;
    }
    return kernel;
  }

  #show(connection: Connection): void {
    this.#connection = connection;
    this.#content.replaceChildren();
    this.#unmount = mount(ManagerPanel, connection, this.#content);
    connection.on("change:_summary", () => this.#summaryChanged.emit());
    connection.on("comm_live_update", () => {
      if (this.#connection === connection) {
        this.#onConnectionLost();
      }
    });
    this.#summaryChanged.emit();
  }

  /** The comms closed although the kernel goes on, for example because its manager was closed. */
  #onConnectionLost(): void {
    this.#disconnect();
    this.#offerToConnect();
  }

  #disconnect(): void {
    this.#generation += 1;
    this.#connecting = false;
    const connection = this.#connection;
    this.#connection = null;
    this.#unmount?.();
    this.#unmount = null;
    connection?.dispose();
    this.#content.replaceChildren();
    this.#summaryChanged.emit();
  }

  #offerToConnect(): void {
    this.#say(this.#trans.__("Not connected to the kernel of this notebook."));
    const button = document.createElement("button");
    button.type = "button";
    button.className = "jp-mod-styled jp-mod-accept";
    button.textContent = this.#trans.__("Connect");
    button.addEventListener("click", () => void this.#refresh(true));
    this.#content.append(button);
  }

  #say(text: string): void {
    const message = document.createElement("div");
    message.className = "rmm-SidePanel-message";
    message.setAttribute("role", "status");
    message.textContent = text;
    this.#content.replaceChildren(message);
  }

  #explain(error: unknown): string {
    if (error instanceof ConnectionError && error.reason === "not-installed") {
      const advice = this.#trans.__("Run this in a cell, then restart the kernel:");
      return `${this.#trans.__("rmm_widgets is not installed in this kernel.")}\n${advice}\n%pip install rmm_widgets`;
    }
    const reason = error instanceof Error ? error.message : String(error);
    return this.#trans.__("The manager of this kernel could not be reached: %1", reason);
  }
}
