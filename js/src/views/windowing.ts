/** Which rows of a long table are worth drawing. Pure. */

export interface Range {
  readonly start: number;
  /** One past the last row. */
  readonly end: number;
}

export interface Viewport {
  /** Pixels from the table's top to the first visible one. */
  readonly top: number;
  readonly height: number;
  readonly rowHeight: number;
}

/** Tables up to this size are drawn whole: no more rows than a filter's result may draw at once. */
export const WINDOW_ABOVE = 50;
const OVERSCAN = 1;

export function visibleRange(rows: number, viewport: Viewport): Range {
  if (rows <= WINDOW_ABOVE) {
    return { start: 0, end: rows };
  }
  const fit = Math.ceil(viewport.height / viewport.rowHeight) + 1;
  const first = Math.min(Math.max(0, Math.floor(viewport.top / viewport.rowHeight)), Math.max(0, rows - fit));
  return { start: Math.max(0, first - OVERSCAN), end: Math.min(rows, first + fit + OVERSCAN) };
}

/** Where the table must be scrolled to for a row to be wholly visible; unchanged where it is already. */
export function scrollTopFor(index: number, viewport: Viewport): number {
  const top = index * viewport.rowHeight;
  const bottom = top + viewport.rowHeight;
  if (top < viewport.top) {
    return top;
  }
  return bottom > viewport.top + viewport.height ? bottom - viewport.height : viewport.top;
}
