/** Bounds for texts that come from a repository or a user: a card of 10 MB must not freeze the page. Pure. */

/** Characters of a sentence; a correct kernel sends none longer. */
export const LONGEST_TEXT = 1_000;

/** The text, or its beginning and an ellipsis where it has more than `most` characters. */
export function cutText(text: string, most = LONGEST_TEXT): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** The record with its texts bounded; itself where none is longer. `id` stays: it is no text but a name. */
export function withCutTexts<T extends object>(record: T): T {
  for (const key in record) {
    if (isLong(record[key]) && key !== "id") {
      const cut = Object.entries(record).map(([name, value]) => [name, isLong(value) ? cutText(value) : value]);
      return { ...record, ...Object.fromEntries(cut) };
    }
  }
  return record;
}

function isLong(value: unknown): value is string {
  return typeof value === "string" && value.length > LONGEST_TEXT;
}
