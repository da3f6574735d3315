/** All rows of one model, and what becomes of them. Unchanged rows keep their identity, so that only others are redrawn. Pure. */
import type { Row, RowChanges } from "../protocol/schema";
import { withCutTexts } from "./cut-text";
import { unpackRows } from "./packed-rows";
import { readProgress } from "./progress-table";

/** Characters; a correct kernel sends none longer. */
const LONGEST_ID = 1_000;

export interface RowTable {
  /** In the kernel's order. */
  readonly rows: readonly Row[];
  /** Where each id stands. */
  readonly places: ReadonlyMap<string, number>;
}

export const NO_ROWS: RowTable = { rows: [], places: new Map() };

/** The table of all `rows` as they came; `before` itself where nothing is new. */
export function withAll(before: RowTable, rows: readonly Row[]): RowTable {
  const byId = new Map(rows.map((row) => [row.id, keep(before, row)]));
  const all = [...byId.values()];
  const isSame = all.length === before.rows.length && all.every((row, at) => row === before.rows[at]);
  return isSame ? before : tableOf(all);
}

/** The table after `changes`. */
export function withChanges(before: RowTable, changes: Required<RowChanges>): RowTable {
  if (changes.changed.length + changes.removed.length === 0 && changes.order === null) {
    return before;
  }
  const rows = [...before.rows];
  const places = new Map(before.places);
  for (const row of changes.changed) {
    const place = places.get(row.id) ?? rows.length;
    places.set(row.id, place);
    rows[place] = keep(before, row);
  }
  if (changes.removed.length === 0 && changes.order === null) {
    return { rows, places };
  }
  const gone = new Set(changes.removed);
  const left = rows.filter((row) => !gone.has(row.id));
  return tableOf(changes.order === null ? left : inOrder(left, changes.order));
}

function tableOf(rows: readonly Row[]): RowTable {
  return { rows, places: new Map(rows.map((row, at) => [row.id, at])) };
}

function keep(before: RowTable, row: Row): Row {
  const place = before.places.get(row.id);
  const old = place === undefined ? undefined : before.rows[place];
  return old && isSameRow(old, row) ? old : row;
}

function isSameRow(old: Row, row: Row): boolean {
  const keys = Object.keys(row) as (keyof Row)[];
  return keys.every((key) => old[key] === row[key] || (key === "actions" && String(old[key]) === String(row[key])));
}

/** The rows in the order of `ids`; one that is not among them, which a correct kernel does not cause, comes last. */
function inOrder(rows: readonly Row[], ids: readonly string[]): readonly Row[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const first: Row[] = [];
  for (const id of ids) {
    const row = byId.get(id);
    if (row && byId.delete(id)) {
      first.push(row);
    }
  }
  return [...first, ...byId.values()];
}

/** What came as rows, in one text or as a list, as far as it is rows. */
export function readRows(value: unknown): readonly Row[] {
  if (typeof value === "string") {
    return unpackRows(value).filter(isRow);
  }
  return Array.isArray(value) ? value.filter(isRow).map(withCutTexts) : [];
}

function isRow(value: unknown): value is Row {
  const row = value as Partial<Row> | null;
  return typeof row === "object" && row !== null && isId(row.id) && Array.isArray(row.actions);
}

function isId(value: unknown): value is string {
  return typeof value === "string" && value.length <= LONGEST_ID;
}

/** What came as changes; null where it is none, as in the beginning. */
export function readChanges(value: unknown): Required<RowChanges> | null {
  const changes = value as Partial<RowChanges> | null | undefined;
  if (typeof changes !== "object" || changes === null || typeof changes.seq !== "number") {
    return null;
  }
  return {
    seq: changes.seq,
    changed: [...readRows(changes.changed)],
    removed: readIds(changes.removed) ?? [],
    order: readIds(changes.order),
    progress: readProgress(changes.progress),
    moved: readNumbers(changes.moved),
    paced: readNumbers(changes.paced),
    ended: readIds(changes.ended) ?? [],
  };
}

/** What came as figures; none where any of it is no number: they count on each other. */
function readNumbers(value: unknown): number[] {
  return Array.isArray(value) && value.every((each) => Number.isFinite(each)) ? value : [];
}

/** What came as ids; null where it is no list. */
export function readIds(value: unknown): string[] | null {
  return Array.isArray(value) ? value.filter(isId) : null;
}
