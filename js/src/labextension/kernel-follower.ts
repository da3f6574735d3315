/** Follows the notebook or console the user works in, and the life of its kernel. */
import type { JupyterFrontEnd } from "@jupyterlab/application";
import type { ISessionContext } from "@jupyterlab/apputils";
import type { IConsoleTracker } from "@jupyterlab/console";
import type { INotebookTracker } from "@jupyterlab/notebook";
import type { Kernel, KernelMessage } from "@jupyterlab/services";
import { type ISignal, Signal } from "@lumino/signaling";
import type { Title, Widget } from "@lumino/widgets";

/** A document with a kernel of its own, as its trackers hold it. */
export type Target = Widget & { readonly sessionContext: ISessionContext };

/** Documents of one kind. */
type Tracker = Pick<INotebookTracker | IConsoleTracker, "currentWidget" | "currentChanged" | "has">;

/** `starting`: there is no kernel yet, but there will be. */
export type KernelLife = "none" | "starting" | "alive" | "restarting" | "ended";

const LIVES: Readonly<Partial<Record<Kernel.Status, KernelLife>>> = {
  restarting: "restarting",
  autorestarting: "restarting",
  terminating: "ended",
  dead: "ended",
};
const COMING: ReadonlySet<ISessionContext.KernelDisplayStatus> = new Set(["initializing", "starting"]);

/** Code that uses the package: what it imports, or a command of its own. */
const OURS = /\brmm_widgets\b|^\s*%%?rmm\b/m;

export class KernelFollower {
  readonly #trackers: readonly Tracker[];
  readonly #shell: JupyterFrontEnd.IShell;
  readonly #changed = new Signal<this, void>(this);
  readonly #renamed = new Signal<this, void>(this);
  readonly #used = new Signal<this, void>(this);
  #target: Target | null = null;
  #life: KernelLife = "none";
  /** Whether the target has once got as far as to know whether it has a kernel. */
  #wasReady = false;

  /** @param shell tells which document is in front */
  constructor(
    shell: JupyterFrontEnd.IShell,
    notebooks: Pick<INotebookTracker, keyof Tracker> | null,
    consoles: Pick<IConsoleTracker, keyof Tracker> | null,
  ) {
    this.#shell = shell;
    this.#trackers = [notebooks, consoles].filter((tracker) => tracker !== null);
    for (const tracker of this.#trackers) {
      tracker.currentChanged.connect(this.#onDocument);
    }
    // A tracker says nothing when the user comes back to its document from one of another kind.
    shell.currentChanged?.connect(this.#onDocument);
    this.#onDocument();
  }

  /** The document used last; another panel or a text file in front does not change it. */
  get target(): Target | null {
    return this.#target;
  }

  get name(): string {
    return this.#target?.title.label ?? "";
  }

  get life(): KernelLife {
    return this.#life;
  }

  /** The kernel of the target, null where it has none that could answer. */
  get kernel(): Kernel.IKernelConnection | null {
    return this.#life === "alive" ? (this.#target?.sessionContext.session?.kernel ?? null) : null;
  }

  /** Emits on another document, another kernel, the end of a kernel and its return. */
  get changed(): ISignal<this, void> {
    return this.#changed;
  }

  /** Emits where only the name of the document changed. */
  get renamed(): ISignal<this, void> {
    return this.#renamed;
  }

  /** Emits where the user runs code that uses the package; nobody is asked for that. */
  get used(): ISignal<this, void> {
    return this.#used;
  }

  readonly #onDocument = (): void => {
    const target = this.#pick();
    if (target !== this.#target) {
      this.#follow(target);
    }
  };

  #pick(): Target | null {
    const front = this.#shell.currentWidget;
    if (front && this.#trackers.some((tracker) => tracker.has(front))) {
      return front as Target;
    }
    if (this.#target && !this.#target.isDisposed) {
      return this.#target;
    }
    const [used = null] = this.#trackers.map((tracker) => tracker.currentWidget).filter((widget) => widget !== null);
    return used;
  }

  #follow(target: Target | null): void {
    if (this.#target) {
      this.#target.disposed.disconnect(this.#onDocument);
      this.#target.title.changed.disconnect(this.#onTitle);
      this.#target.sessionContext.kernelChanged.disconnect(this.#onKernel);
      this.#target.sessionContext.statusChanged.disconnect(this.#onStatus);
      this.#target.sessionContext.iopubMessage.disconnect(this.#onMessage);
    }
    this.#target = target;
    this.#wasReady = false;
    if (target) {
      target.disposed.connect(this.#onDocument);
      target.title.changed.connect(this.#onTitle);
      target.sessionContext.kernelChanged.connect(this.#onKernel);
      target.sessionContext.statusChanged.connect(this.#onStatus);
      target.sessionContext.iopubMessage.connect(this.#onMessage);
      void this.#awaitKernel(target);
    }
    this.#life = this.#lifeNow();
    this.#changed.emit();
  }

  /** A document that is opened starts its kernel, or asks the user which; until then there is none. */
  async #awaitKernel(target: Target): Promise<void> {
    await target.sessionContext.ready;
    if (target === this.#target) {
      this.#wasReady = true;
      this.#become(this.#lifeNow());
    }
  }

  #lifeNow(): KernelLife {
    const context = this.#target?.sessionContext;
    if (!context) {
      return "none";
    }
    const kernel = context.session?.kernel;
    if (!kernel) {
      return this.#wasReady && !COMING.has(context.kernelDisplayStatus) ? "none" : "starting";
    }
    return LIVES[kernel.status] ?? "alive";
  }

  #become(life: KernelLife): void {
    if (life !== this.#life) {
      this.#life = life;
      this.#changed.emit();
    }
  }

  readonly #onTitle = (_: Title<Widget>): void => this.#renamed.emit();

  readonly #onKernel = (): void => {
    this.#life = this.#lifeNow();
    this.#changed.emit();
  };

  readonly #onMessage = (_: ISessionContext, { header, content }: KernelMessage.IMessage): void => {
    if (header.msg_type === "execute_input" && OURS.test((content as { code?: string }).code ?? "")) {
      this.#used.emit();
    }
  };

  readonly #onStatus = (_: ISessionContext, status: Kernel.Status): void => {
    const life = LIVES[status];
    if (life) {
      this.#become(life);
    } else if (this.#life !== "alive" && status === "idle") {
      this.#become(this.#lifeNow());
    }
  };
}
