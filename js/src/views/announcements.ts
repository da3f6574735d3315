/** What a screen reader is told: state changes only, never progress, and a summary where many come at once. */
import type { Signal } from "@preact/signals";
import type { ModelStatus, Row } from "../protocol/schema";
import { statusWords, words } from "./format";

const MOST = 3;
const MOST_TEXT = 200;
/** Milliseconds after a sentence in which changes are gathered for the next one. */
const PAUSE = 1_500;

/** Stages that a model only passes through: nothing to tell, the next one follows. */
const PASSING: ReadonlySet<string> = new Set(["resolving", "verifying", "cancelling", "discarding", "unloading"]);

/** Says what changes in the rows, with a pause after each sentence. */
export class Announcer {
  readonly #announcement: Signal<string>;
  /** The rows as they were when something was last said. */
  #told: readonly Row[];
  #now: readonly Row[];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(rows: readonly Row[], announcement: Signal<string>) {
    this.#told = rows;
    this.#now = rows;
    this.#announcement = announcement;
  }

  follow(rows: readonly Row[]): void {
    this.#now = rows;
    if (this.#timer === undefined) {
      this.#say();
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #say(): void {
    const sentence = announce(this.#told, this.#now);
    this.#told = this.#now;
    this.#timer = undefined;
    if (sentence) {
      this.#announcement.value = sentence;
      this.#timer = setTimeout(() => this.#say(), PAUSE);
    }
  }
}

/** One sentence about what changed from `before` to `after`; empty where nothing worth saying did. Pure. */
export function announce(before: readonly Row[], after: readonly Row[]): string {
  if (before === after) {
    return "";
  }
  const known = new Map(before.map((row) => [row.id, row]));
  const changed: Row[] = [];
  const sentences: string[] = [];
  for (const row of after) {
    const old = known.get(row.id);
    const told = old && old !== row ? describe(old, row) : [];
    if (told.length > 0) {
      changed.push(row);
      sentences.push(...told);
    }
  }
  return changed.length > MOST ? summarise(changed) : sentences.join("; ");
}

function describe(old: Row, row: Row): string[] {
  const changes: string[] = [];
  const state = stateWords(row);
  if (stateWords(old) !== state) {
    changes.push(`${row.id}: ${row.error ? `${state}: ${row.error}`.slice(0, MOST_TEXT) : state}`);
  }
  if (old.health !== row.health && row.health !== "unknown") {
    changes.push(`${row.id}: ${row.health}`);
  }
  return changes;
}

function stateWords(row: Row): string {
  return PASSING.has(row.stage) ? words(row.status) : statusWords(row);
}

function summarise(rows: readonly Row[]): string {
  const counts = new Map<ModelStatus, number>();
  for (const { status } of rows) {
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  const parts = [...counts].map(([status, count]) => `${count} ${words(status)}`);
  return `${rows.length} models changed: ${parts.join(", ")}`;
}
