/** The status bar's item: the figures of the current kernel's models; it opens a popup with the details. */
import { type Popup, showPopup } from "@jupyterlab/statusbar";
import type { TranslationBundle } from "@jupyterlab/translation";
import { type ISignal, Signal } from "@lumino/signaling";
import { Widget } from "@lumino/widgets";
import { effect, type Signal as PreactSignal, signal } from "@preact/signals";
import type { Summary } from "../protocol/schema";
import { tellFailure } from "./command-dialogs";
import type { Connection } from "./connection";
import { connected } from "./kernel-session";
import { StatusDetails } from "./status-details";
import { statusWords } from "./status-words";
import type { IModelsLink } from "./tokens";

export class StatusItem extends Widget {
  readonly #link: IModelsLink;
  readonly #trans: TranslationBundle;
  readonly #openPanel: (() => void) | null;
  readonly #changed = new Signal<this, void>(this);
  readonly #stop: () => void;
  readonly #summary: PreactSignal<Summary | null> = signal(null);
  readonly #words = document.createElement("span");
  #popup: Popup | null = null;
  #isOpening = false;

  /** @param openPanel null where there is no panel */
  constructor(link: IModelsLink, trans: TranslationBundle, openPanel: (() => void) | null) {
    super();
    this.#link = link;
    this.#trans = trans;
    this.#openPanel = openPanel;
    this.addClass("jp-StatusBar-GroupItem");
    this.addClass("jp-mod-highlighted");
    this.#words.className = "jp-StatusBar-TextItem";
    this.node.append(this.#words);
    this.node.tabIndex = 0;
    this.node.setAttribute("role", "button");
    this.node.setAttribute("aria-haspopup", "dialog");
    this.node.addEventListener("click", this.#onClick);
    this.node.addEventListener("keydown", this.#onKey);
    const stopFollowing = followSummary(link, this.#summary);
    const stopShowing = effect(() => this.#show(this.#summary.value));
    this.#stop = () => {
      stopFollowing();
      stopShowing();
    };
  }

  /** Whether there is something to show. */
  get isActive(): boolean {
    return this.#summary.peek() !== null;
  }

  /** Emits when that, or the words, have changed. */
  get changed(): ISignal<this, void> {
    return this.#changed;
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.#popup?.dispose();
      this.#stop();
    }
    super.dispose();
  }

  #show(summary: Summary | null): void {
    this.#words.textContent = summary ? statusWords(summary, this.#trans) : "";
    this.node.title = summary ? this.#trans.__("Models of %1", this.#link.name.value) : "";
    if (!summary) {
      this.#popup?.dispose();
    }
    this.#changed.emit();
  }

  readonly #onKey = (event: KeyboardEvent): void => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.#onClick();
    }
  };

  readonly #onClick = (): void => {
    if (this.#popup) {
      this.#popup.dispose();
      return;
    }
    void this.#ask();
  };

  /** Opens the popup once there is what it shows: the item itself needs the head line only. */
  async #ask(): Promise<void> {
    if (this.#isOpening || !this.isActive) {
      return;
    }
    this.#isOpening = true;
    const look = this.#link.look();
    try {
      const connection = await connected(this.#link, this.#trans);
      this.#open(connection).disposed.connect(() => look.dispose());
    } catch (error) {
      look.dispose();
      tellFailure(this.#trans.__("Show the details of the models"), error, this.#trans);
    } finally {
      this.#isOpening = false;
    }
  }

  #open(connection: Connection): Popup {
    const open = this.#openPanel;
    const onOpen = open && {
      label: this.#trans.__("Open the Models panel"),
      action: () => {
        this.#popup?.dispose();
        open();
      },
    };
    const body = new StatusDetails(connection, this.#link.name.peek(), this.#trans, onOpen);
    const popup = showPopup({ body, anchor: this, align: "left", hasDynamicSize: true });
    this.#popup = popup;
    this.node.setAttribute("aria-expanded", "true");
    body.node.focus();
    popup.disposed.connect(() => {
      this.#popup = null;
      this.node.setAttribute("aria-expanded", "false");
      if (popup.node.contains(document.activeElement)) {
        this.node.focus(); // Or it would go with the popup.
      }
    });
    return popup;
  }
}

/** Keeps the head line of the connected manager, null where none is connected; returns what ends that. */
function followSummary(link: IModelsLink, summary: PreactSignal<Summary | null>): () => void {
  return effect(() => {
    const state = link.state.value;
    // Figures of one kernel, and details of them, are not those of another.
    summary.value = null;
    if (state.kind !== "connected") {
      return;
    }
    const { connection } = state;
    const read = () => {
      summary.value = (connection.get("_summary") as Summary | null) ?? null;
    };
    read();
    connection.on("change:_summary", read);
    return () => connection.off("change:_summary", read);
  });
}
