/** Where keys lead inside the grid. Pure. */

/** The header's place among the rows. */
export const HEADER = -1;

/** The row that a key leads to, or null where the key does not move between rows. */
export function nextIndex(key: string, index: number, rows: number, page: number): number | null {
  const last = rows - 1;
  switch (key) {
    case "ArrowDown":
      return Math.min(last, index + 1);
    case "ArrowUp":
      return Math.max(HEADER, index - 1);
    case "PageDown":
      return Math.min(last, index + page);
    case "PageUp":
      return Math.max(0, index - page);
    case "Home":
      return 0;
    case "End":
      return last;
    default:
      return null;
  }
}

/** The button of a row that a key leads to (-1: the row itself), or null where the key does not move inside a row. */
export function stepInRow(key: string, button: number, buttons: number, rightToLeft = false): number | null {
  switch (key) {
    case rightToLeft ? "ArrowLeft" : "ArrowRight":
      return Math.min(buttons - 1, button + 1);
    case rightToLeft ? "ArrowRight" : "ArrowLeft":
      return Math.max(-1, button - 1);
    default:
      return null;
  }
}
