/** The order of the table's rows. Pure. */
import type { Row } from "../protocol/schema";
import { COLUMNS, type ColumnKey } from "./columns";

export interface Sort {
  readonly key: ColumnKey;
  readonly direction: "ascending" | "descending";
}

/** What a click on a column's header makes of the sort: ascending, descending, then the kernel's order again. */
export function nextSort(sort: Sort | null, key: ColumnKey): Sort | null {
  if (sort?.key !== key) {
    return { key, direction: "ascending" };
  }
  return sort.direction === "ascending" ? { key, direction: "descending" } : null;
}

/**
 * The rows in order; those that compare alike stay in the kernel's.
 *
 * @param before what this gave last, or nothing: sorting goes from there, and most rows stand where they stood
 */
export function sortRows(rows: readonly Row[], sort: Sort | null, before: readonly Row[]): readonly Row[] {
  const compare = COLUMNS.find((column) => column.key === sort?.key)?.compare;
  if (!sort || !compare) {
    return rows;
  }
  const places = new Map(rows.map((row, place) => [row.id, place]));
  const sign = sort.direction === "ascending" ? 1 : -1;
  return asBefore(rows, places, before).sort(
    (a, b) => sign * compare(a, b) || (places.get(a.id) ?? 0) - (places.get(b.id) ?? 0),
  );
}

/** The rows as nearly as can be in the order of `before`, which the engine's sort is quick with. */
function asBefore(rows: readonly Row[], places: ReadonlyMap<string, number>, before: readonly Row[]): Row[] {
  const nearly: Row[] = [];
  const taken = new Set<string>();
  for (const { id } of before) {
    const row = rows[places.get(id) ?? -1];
    if (row) {
      nearly.push(row);
      taken.add(id);
    }
  }
  return nearly.length === rows.length ? nearly : [...nearly, ...rows.filter((row) => !taken.has(row.id))];
}
