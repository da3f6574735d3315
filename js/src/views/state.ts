/** What one view shows: kernel state as signals, the commands it sent, and whether anybody listens. */
import { computed, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { Fix, Progress, Row, Summary } from "../protocol/schema";
import { Announcer } from "./announcements";
import { type BatchCommand, inChunks, readRefused, refusal } from "./batch";
import type { CodePlace } from "./code-place";
import { CommandClient, CommandFailed } from "./command-client";
import { type Connection, Liveness } from "./liveness";
import { RowStore } from "./row-store";
import { readIds } from "./row-table";
import { type Selection, stillThere, syncSelection } from "./selection";
import { traitSignal } from "./trait-signal";
import { ViewMemory } from "./view-memory";
import type { ViewModel } from "./view-model";

/** A failed command, or what one has achieved; shown until dismissed. `count` is how often the same was said. */
export interface Notice {
  readonly key: number;
  readonly kind: "error" | "done";
  readonly message: string;
  readonly hint: string;
  readonly count: number;
  /** The model that it is about, and what a button beside it should offer. */
  readonly help: { readonly id: string; readonly fix: Fix } | null;
  /** The name under which the guide tells more, empty where there is none. */
  readonly guide: string;
}

/** What stands over the panel until the user is done with it. */
export type Dialog =
  /** `query`: what is searched for at once. */
  | { readonly kind: "search"; readonly query?: string }
  | { readonly kind: "usage" }
  | { readonly kind: "remove"; readonly ids: readonly string[] };

const TRAITS = ["_rows", "_changes", "_progress", "_summary", "_model_ids"] as const;
const COMMAND_TIMEOUT = 30_000;
const MOST_NOTICES = 5;

/** How a command is sent. */
export interface Sending {
  /** Milliseconds until its answer is given up. */
  readonly timeout?: number;
  /** Bytes that travel beside it. */
  readonly buffers?: ArrayBuffer[];
}

/** What whoever draws a view may lend it. */
export interface Lent {
  /** The rows of all views of the model; without it the view has its own. */
  readonly store?: RowStore | undefined;
  /** Where the host takes code for a model. */
  readonly codePlace?: CodePlace | undefined;
  /** What the user had set up in the view before this one. */
  readonly memory?: ViewMemory | undefined;
}

/** A busy kernel does what it was asked for once its cell ends. */
const LISTENING: ReadonlySet<Connection> = new Set(["live", "busy"]);

export class ViewState {
  /** The rows this view is about, in the kernel's order. */
  readonly rows: ReadonlySignal<readonly Row[]>;
  /** Ids that this view was asked to show and the kernel does not know any more. */
  readonly missing: ReadonlySignal<readonly string[]>;
  readonly progress: ReadonlySignal<Readonly<Record<string, Progress>>>;
  readonly summary: ReadonlySignal<Summary | null>;
  readonly liveness: Liveness;
  readonly connected: ReadonlySignal<boolean>;
  readonly notices = signal<readonly Notice[]>([]);
  readonly announcement = signal("");
  /** The models that the user chose, by id. */
  readonly selected: Signal<Selection>;
  /** The model whose details are open. */
  readonly open: Signal<string | null>;
  readonly dialog = signal<Dialog | null>(null);
  /** Whether the log is open. */
  readonly log: Signal<boolean>;
  /** The columns that the table was made with, null for the usual ones. */
  readonly columns: readonly string[] | null;
  readonly #model: ViewModel;
  readonly #client: CommandClient;
  readonly #life = new AbortController();
  #noticeCount = 0;

  /** Where the host takes code for a model, null where it does not. */
  readonly codePlace: CodePlace | null;
  /** What the user has set up in it. */
  readonly memory: ViewMemory;

  constructor(model: ViewModel, { store, codePlace, memory }: Lent = {}) {
    this.codePlace = codePlace ?? null;
    this.memory = memory ?? new ViewMemory();
    this.selected = this.memory.selected;
    this.open = this.memory.open;
    this.log = this.memory.log;
    const until = this.#life.signal;
    this.#model = model;
    const { rows: all, progress } = store ?? new RowStore(model, until);
    const ids = traitSignal(model, "_model_ids", readIds, until);
    const types = traitSignal(model, "_types", readIds, until);
    this.rows = computed(() => pick(all.value, ids.value, types.value));
    this.columns = readIds(model.get("_columns"));
    this.missing = computed(() => {
      const known = new Set(this.rows.value.map((row) => row.id));
      return (ids.value ?? []).filter((id) => !known.has(id));
    });
    this.progress = progress;
    this.summary = traitSignal(model, "_summary", readSummary, until);
    this.#client = new CommandClient(model, until);
    const signs = [...TRAITS.map((name) => `change:${name}`), "msg:custom"];
    this.liveness = new Liveness(model, this.#client, signs, until);
    this.connected = computed(() => LISTENING.has(this.liveness.connection.value));
    syncSelection(model, this.selected, until);
    until.addEventListener("abort", this.#followRows());
  }

  dispose(): void {
    this.#life.abort();
  }

  /** Ends with the view. */
  get life(): AbortSignal {
    return this.#life.signal;
  }

  /** Sends a command whose answer nobody waits for; where nothing can be sent any more, nothing is. */
  tell(name: string, args: Record<string, unknown>): void {
    this.#client.tell(name, args);
  }

  /**
   * Sends a command and gives its answer, for whoever shows the error itself.
   *
   * @throws CommandFailed where the kernel says no, or says nothing in time
   */
  ask(name: string, args: Record<string, unknown>, sending: Sending = {}): Promise<unknown> {
    return this.#client.request(name, args, sending.timeout ?? COMMAND_TIMEOUT, sending.buffers);
  }

  /** Sends a command; where it fails, a notice says why. */
  async run(name: string, args: Record<string, unknown>): Promise<unknown> {
    try {
      return await this.ask(name, args);
    } catch (error) {
      if (!(error instanceof CommandFailed)) {
        throw error;
      }
      const id = args.model_id;
      const help = error.fix && typeof id === "string" ? { id, fix: error.fix } : null;
      this.notify("error", error.message, error.hint, error.guide, help);
      return undefined;
    }
  }

  /** Sends a command for several models; one notice tells what was refused. */
  async runMany(name: BatchCommand, label: string, ids: readonly string[]): Promise<void> {
    const answers = await Promise.all(inChunks(ids).map((model_ids) => this.run(name, { model_ids })));
    const told = refusal(label, ids.length, Object.assign({}, ...answers.map(readRefused)));
    if (told) {
      this.notify("error", told.message, told.hint, told.guide);
    }
  }

  dismiss(key: number): void {
    this.notices.value = this.notices.value.filter((notice) => notice.key !== key);
  }

  /** Shows a notice and tells it to screen readers. */
  notify(kind: Notice["kind"], message: string, hint = "", guide = "", help: Notice["help"] = null): void {
    this.#noticeCount += 1;
    const same = this.notices.value.find((notice) => notice.message === message && notice.hint === hint);
    const others = this.notices.value.filter((notice) => notice !== same);
    const count = (same?.count ?? 0) + 1;
    const notice: Notice = { key: this.#noticeCount, kind, message, hint, count, help, guide };
    this.notices.value = [...others, notice].slice(-MOST_NOTICES);
    this.announcement.value = hint ? `${message} ${hint}` : message;
  }

  #followRows(): () => void {
    const announcer = new Announcer(this.rows.peek(), this.announcement);
    let before = this.rows.peek();
    const stopRows = effect(() => {
      const rows = this.rows.value;
      announcer.follow(rows);
      this.selected.value = stillThere(this.selected.peek(), before, rows);
      before = rows;
    });
    let wasConnected = true;
    const stopConnection = effect(() => {
      const connected = this.connected.value;
      if (connected !== wasConnected) {
        this.announcement.value = connected ? "Connected" : "Not connected";
      }
      wasConnected = connected;
    });
    const stopRenewing = effect(() => {
      if (this.liveness.connection.value === "forgotten") {
        this.#model.renew?.();
      }
    });
    return () => {
      announcer.stop();
      stopRows();
      stopConnection();
      stopRenewing();
    };
  }
}

function pick(rows: readonly Row[], ids: readonly string[] | null, types: readonly string[] | null): readonly Row[] {
  const byId = ids && new Map(rows.map((row) => [row.id, row]));
  const picked = byId ? ids.map((id) => byId.get(id)).filter((row) => row !== undefined) : rows;
  return types ? picked.filter((row) => types.includes(row.type)) : picked;
}

function readSummary(value: unknown): Summary | null {
  return isRecord(value) && "models" in value ? (value as unknown as Summary) : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
