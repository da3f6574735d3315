/** Which rows a filter text leaves. Pure. */
import type { Row } from "../protocol/schema";
import { statusWords, words } from "./format";

/** The rows in which every word of `text` occurs: in the id, repository, description, type, status or health. */
export function filterRows(rows: readonly Row[], text: string): readonly Row[] {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) {
    return rows;
  }
  return rows.filter((row) => {
    const haystack = searchable(row);
    return wanted.every((word) => haystack.includes(word));
  });
}

function searchable(row: Row): string {
  return [row.id, row.repo, row.description, words(row.type), statusWords(row), row.health].join("\n").toLowerCase();
}
