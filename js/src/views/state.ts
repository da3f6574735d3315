/** What one view shows: kernel state as signals, the commands it sent, and whether anybody listens. */
import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import type { Progress, Row, Summary } from "../protocol/schema";
import { announce } from "./announcements";
import { CommandClient, CommandFailed } from "./command-client";
import { type Connection, Liveness } from "./liveness";
import { traitSignal } from "./trait-signal";
import type { ViewModel } from "./view-model";

/** A failed command, shown until the user dismisses it; `count` is how often the same was said. */
export interface Notice {
  readonly key: number;
  readonly message: string;
  readonly hint: string;
  readonly count: number;
}

/** What stands over the panel until the user is done with it. */
export type Dialog =
  | { readonly kind: "search" }
  | { readonly kind: "usage" }
  | { readonly kind: "remove"; readonly ids: readonly string[] };

const TRAITS = ["_rows", "_progress", "_summary", "_model_ids"] as const;
const COMMAND_TIMEOUT = 30_000;
const MOST_NOTICES = 5;
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
  readonly selected = signal<ReadonlySet<string>>(new Set());
  /** The model whose details are open. */
  readonly open = signal<string | null>(null);
  readonly dialog = signal<Dialog | null>(null);
  readonly #client: CommandClient;
  readonly #life = new AbortController();
  #noticeCount = 0;

  constructor(model: ViewModel) {
    const until = this.#life.signal;
    const all = traitSignal(model, "_rows", readRows, until);
    const ids = traitSignal(model, "_model_ids", readIds, until);
    this.rows = computed(() => pick(all.value, ids.value));
    this.missing = computed(() => {
      const known = new Set(this.rows.value.map((row) => row.id));
      return (ids.value ?? []).filter((id) => !known.has(id));
    });
    this.progress = traitSignal(model, "_progress", readProgress, until);
    this.summary = traitSignal(model, "_summary", readSummary, until);
    this.#client = new CommandClient(model, until);
    const signs = [...TRAITS.map((name) => `change:${name}`), "msg:custom"];
    this.liveness = new Liveness(model, this.#client, signs, until);
    this.connected = computed(() => LISTENING.has(this.liveness.connection.value));
    until.addEventListener("abort", this.#announceChanges());
  }

  dispose(): void {
    this.#life.abort();
  }

  /**
   * Sends a command and gives its answer, for whoever shows the error itself.
   *
   * @throws CommandFailed where the kernel says no, or says nothing in time
   */
  ask(name: string, args: Record<string, unknown>): Promise<unknown> {
    return this.#client.request(name, args, COMMAND_TIMEOUT);
  }

  /** Sends a command; where it fails, a notice says why. */
  async run(name: string, args: Record<string, unknown>): Promise<unknown> {
    try {
      return await this.ask(name, args);
    } catch (error) {
      if (!(error instanceof CommandFailed)) {
        throw error;
      }
      this.#notify(error.message, error.hint);
      return undefined;
    }
  }

  dismiss(key: number): void {
    this.notices.value = this.notices.value.filter((notice) => notice.key !== key);
  }

  #notify(message: string, hint: string): void {
    this.#noticeCount += 1;
    const same = this.notices.value.find((notice) => notice.message === message && notice.hint === hint);
    const others = this.notices.value.filter((notice) => notice !== same);
    const notice = { key: this.#noticeCount, message, hint, count: (same?.count ?? 0) + 1 };
    this.notices.value = [...others, notice].slice(-MOST_NOTICES);
    this.announcement.value = hint ? `${message} ${hint}` : message;
  }

  #announceChanges(): () => void {
    let before: readonly Row[] = this.rows.peek();
    const stopRows = effect(() => {
      const sentence = announce(before, this.rows.value);
      before = this.rows.value;
      if (sentence) {
        this.announcement.value = sentence;
      }
    });
    let wasConnected = true;
    const stopConnection = effect(() => {
      const connected = this.connected.value;
      if (connected !== wasConnected) {
        this.announcement.value = connected ? "Connected" : "Not connected";
      }
      wasConnected = connected;
    });
    return () => {
      stopRows();
      stopConnection();
    };
  }
}

function pick(rows: readonly Row[], ids: readonly string[] | null): readonly Row[] {
  if (ids === null) {
    return rows;
  }
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => byId.get(id)).filter((row) => row !== undefined);
}

function readRows(value: unknown): readonly Row[] {
  return Array.isArray(value) ? (value as Row[]) : [];
}

function readIds(value: unknown): readonly string[] | null {
  return Array.isArray(value) ? (value as string[]) : null;
}

function readProgress(value: unknown): Readonly<Record<string, Progress>> {
  return isRecord(value) ? (value as Record<string, Progress>) : {};
}

function readSummary(value: unknown): Summary | null {
  return isRecord(value) && "models" in value ? (value as unknown as Summary) : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
