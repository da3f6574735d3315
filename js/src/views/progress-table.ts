/** All downloads of one model, and what becomes of them. Those that stay the same keep their identity. Pure. */
import type { Progress, Row, RowChanges } from "../protocol/schema";
import { withCutTexts } from "./cut-text";

/** By id. Without a prototype: an id may be any word. */
export type ProgressTable = Readonly<Record<string, Progress>>;

export const NO_PROGRESS: ProgressTable = Object.freeze(Object.create(null));

const KILOBYTE = 1000;

/** What came as progress, as far as it is that. */
export function readProgress(value: unknown): ProgressTable {
  if (!isRecord(value)) {
    return NO_PROGRESS;
  }
  const table: Record<string, Progress> = Object.create(null);
  for (const [id, record] of Object.entries(value)) {
    if (isRecord(record)) {
      table[id] = withCutTexts(record as unknown as Progress);
    }
  }
  return table;
}

/**
 * The downloads after `changes`.
 *
 * @param rows the rows after the same changes, in the kernel's order: figures count in them
 * @param isWhole false after changes were missed: then nothing is known of what figures are added to
 */
export function withProgress(
  before: ProgressTable,
  changes: Required<RowChanges>,
  rows: readonly Row[],
  isWhole: boolean,
): ProgressTable {
  const { progress, moved, paced, ended } = changes;
  const renewed = Object.entries(progress);
  if (renewed.length + ended.length + moved.length + paced.length === 0) {
    return before;
  }
  const after: Record<string, Progress> = Object.assign(Object.create(null), before);
  for (const id of ended) {
    delete after[id];
  }
  for (const [id, record] of renewed) {
    after[id] = record;
  }
  if (isWhole) {
    eachOf(moved, 1, rows, after, (record, kilobytes = 0) => advanced(record, kilobytes));
    eachOf(paced, 2, rows, after, (record, rate = 0, eta = -1) => ({ ...record, rate, eta: eta < 0 ? null : eta }));
  }
  return after;
}

/** Tenths of a percent, rounded down as the kernel does it: 100 is said when everything is there. */
function advanced(record: Progress, kilobytes: number): Progress {
  const done = record.done + kilobytes * KILOBYTE;
  const share = record.total > 0 ? Math.min(1000, Math.floor((done * 1000) / record.total)) / 10 : 0;
  return { ...record, done, percent: Math.max(record.percent, share) };
}

/** Goes through flat figures: the rows between one and the next, then `count` numbers. */
function eachOf(
  flat: readonly number[],
  count: number,
  rows: readonly Row[],
  table: Record<string, Progress>,
  change: (record: Progress, ...figures: number[]) => Progress,
): void {
  let place = 0;
  for (let at = 0; at + count < flat.length; at += count + 1) {
    place += flat[at] ?? 0;
    const id = rows[place]?.id;
    const record = id === undefined ? undefined : table[id];
    if (id !== undefined && record) {
      table[id] = change(record, ...flat.slice(at + 1, at + 1 + count));
    }
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
