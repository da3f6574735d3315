/** Which rows the filters leave. Pure. */
import type { ModelStatus, ModelType, Row } from "../protocol/schema";
import { statusWords, words } from "./format";

export interface Filter {
  /** Every word of it must occur: in the id, repository, description, type, status or health. */
  readonly text: string;
  /** Empty for all. */
  readonly type: ModelType | "";
  readonly status: ModelStatus | "";
}

export const NO_FILTER: Filter = { text: "", type: "", status: "" };

export function filterRows(rows: readonly Row[], filter: Filter): readonly Row[] {
  const wanted = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const { type, status } = filter;
  if (wanted.length === 0 && !type && !status) {
    return rows;
  }
  return rows.filter(
    (row) =>
      (!type || row.type === type) &&
      (!status || row.status === status) &&
      wanted.every((word) => searchable(row).includes(word)),
  );
}

/** Works out what the words are looked for in, ahead of the first keystroke. */
export function prepare(rows: readonly Row[]): void {
  rows.forEach(searchable);
}

/** By row, because a row that changes becomes another one. */
const texts = new WeakMap<Row, string>();

function searchable(row: Row): string {
  let text = texts.get(row);
  if (text === undefined) {
    text = [row.id, row.repo, row.description, words(row.type), statusWords(row), row.health].join("\n").toLowerCase();
    texts.set(row, text);
  }
  return text;
}
