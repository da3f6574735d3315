/** Bounds for texts that come from a repository or a user: a card of 10 MB must not freeze the page. Pure. */

/** The text, or its beginning and an ellipsis where it has more than `most` characters. */
export function cutText(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
