/** Where the focus is inside the grid's elements, and how it gets somewhere. */
import { HEADER } from "./grid-keys";

/** A row and one of its buttons (-1: the row itself). */
export interface GridPlace {
  readonly index: number;
  readonly button: number;
}

const BUTTONS = "button:not(:disabled)";
const ROWS = ".rmm-row[role='row']";

/** The place of an element of the grid, and how many buttons its row has; null outside of rows. */
export function placeOf(target: EventTarget | null): (GridPlace & { buttons: number }) | null {
  const row = target instanceof Element ? target.closest<HTMLElement>(ROWS) : null;
  if (!row) {
    return null;
  }
  const buttons = [...row.querySelectorAll(BUTTONS)];
  return {
    index: Number(row.dataset.index ?? HEADER),
    button: buttons.indexOf(target as Element),
    buttons: buttons.length,
  };
}

/** Moves the focus, without scrolling; false where the row is not drawn. */
export function focusPlace(grid: HTMLElement | null, place: GridPlace): boolean {
  const row = rowAt(grid, place.index);
  if (!row) {
    return false;
  }
  const buttons = row.querySelectorAll<HTMLElement>(BUTTONS);
  // The header itself says nothing: its buttons do.
  const wanted = place.index === HEADER ? Math.max(0, place.button) : place.button;
  const button = wanted < 0 ? undefined : buttons[Math.min(wanted, buttons.length - 1)];
  (button ?? row).focus({ preventScroll: true });
  return true;
}

/** Whether the focus is in the element, on something that still takes keys. */
export function hasFocus(element: HTMLElement | null): boolean {
  const focused = element?.matches(":focus") ? element : element?.querySelector(":focus");
  return Boolean(focused && !focused.matches(":disabled"));
}

/** A button's name: the same after its row has moved. Empty for the row itself. */
export function nameOf(target: EventTarget | null): string {
  return target instanceof HTMLButtonElement ? (target.getAttribute("aria-label") ?? "") : "";
}

/** Gives the focus back to the button of that name, else to its row, else, where no row is left, to the grid. */
export function focusAgain(grid: HTMLElement | null, index: number, name: string): void {
  const row = index === HEADER ? null : rowAt(grid, index);
  const button = name && [...(row?.querySelectorAll<HTMLElement>(BUTTONS) ?? [])].find((each) => nameOf(each) === name);
  (button || row || grid)?.focus({ preventScroll: true });
}

function rowAt(grid: HTMLElement | null, index: number): HTMLElement | null | undefined {
  return grid?.querySelector<HTMLElement>(index === HEADER ? ".rmm-header" : `[data-index="${index}"]`);
}
