/** The details of one model, kept current: asked for again when its row changes, its files while they arrive. */
import { computed, effect, type ReadonlySignal, signal, untracked } from "@preact/signals";
import type { Details, FileLine, Row } from "../../protocol/schema";
import { CommandFailed } from "../command-client";
import type { ViewState } from "../state";
import { readDetails, readFiles } from "./read-details";

/** Milliseconds between two questions of one kind. */
const PERIOD = 1_000;
const PROBE_PERIOD = 5_000;

const NO_DETAILS = new CommandFailed({
  type: "NoDetails",
  message: "The kernel's answer has no details.",
  hint: "Restart the kernel and reload the page where it has another version of rmm_widgets.",
});

export class DetailsFeed {
  readonly id: string;
  /** The model's row; undefined where it is not registered any more. */
  readonly row: ReadonlySignal<Row | undefined>;
  readonly details: ReadonlySignal<Details | null>;
  readonly files: ReadonlySignal<readonly FileLine[]>;
  /** Why the newest question got no answer. */
  readonly failure: ReadonlySignal<CommandFailed | null>;
  readonly #details = signal<Details | null>(null);
  readonly #files = signal<readonly FileLine[]>([]);
  readonly #failure = signal<CommandFailed | null>(null);
  readonly #state: ViewState;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAsking = false;
  #isStopped = false;
  /** Something may have changed since the question that is under way, or since the last one. */
  #isStale = false;

  constructor(state: ViewState, id: string) {
    this.id = id;
    this.row = computed(() => state.rows.value.find((row) => row.id === id));
    this.details = this.#details;
    this.files = this.#files;
    this.failure = this.#failure;
    this.#state = state;
  }

  /** Asks, and from now on whenever the row changes, until the returned function is called. */
  start(): () => void {
    let before: Row | undefined;
    const stopFollowing = effect(() => {
      const row = this.row.value;
      if (before && row) {
        untracked(() => this.#askLater());
      }
      before = row;
    });
    this.refresh();
    return () => {
      this.#isStopped = true;
      clearTimeout(this.#timer);
      stopFollowing();
    };
  }

  /** Asks now, or once the question under way is answered. */
  refresh(): void {
    this.#isStale = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    void this.#ask();
  }

  /** Asks for the files alone; false where the answer is none. */
  async refreshFiles(): Promise<boolean> {
    try {
      const files = await this.#state.ask("files", { model_id: this.id });
      this.#files.value = readFiles(files);
      return true;
    } catch (error) {
      if (error instanceof CommandFailed) {
        return false;
      }
      throw error;
    }
  }

  /** Asks for the files once a second until the returned function is called. */
  watchFiles(): () => void {
    return this.#watch(PERIOD, () => this.refreshFiles());
  }

  /** Asks for the details now and then, as each probe adds to them and no row tells; until the function is called. */
  watchProbes(): () => void {
    return this.#watch(PROBE_PERIOD, async () => this.refresh());
  }

  /** Works at once and again a period after each end, while somebody looks and somebody listens. */
  #watch(period: number, work: () => Promise<unknown>): () => void {
    let timer: ReturnType<typeof setTimeout>;
    let isStopped = false;
    const next = async () => {
      if (this.#state.connected.peek() && document.visibilityState === "visible") {
        await work();
      }
      if (!isStopped) {
        timer = setTimeout(() => void next(), period);
      }
    };
    void next();
    return () => {
      isStopped = true;
      clearTimeout(timer);
    };
  }

  #askLater(): void {
    this.#isStale = true;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#ask();
    }, PERIOD);
  }

  async #ask(): Promise<void> {
    if (this.#isAsking) {
      return; // asks again when it is answered
    }
    this.#isStale = false;
    this.#isAsking = true;
    try {
      this.#receive(readDetails(await this.#state.ask("details", { model_id: this.id })));
    } catch (error) {
      if (!(error instanceof CommandFailed)) {
        throw error;
      }
      this.#failure.value = error;
    } finally {
      this.#isAsking = false;
    }
    if (this.#isStale && !this.#isStopped) {
      this.#askLater();
    }
  }

  #receive(details: Details | null): void {
    if (!details || details.id !== this.id) {
      this.#failure.value = NO_DETAILS;
      return;
    }
    this.#failure.value = null;
    this.#details.value = details;
    this.#files.value = details.files;
  }
}
