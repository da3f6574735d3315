/** What keys and clicks do in the table besides moving: they select rows and open details. */
import type { Row } from "../protocol/schema";
import type { Arrangement } from "./arrangement";
import { toggled, withAllOf, withRange } from "./selection";
import type { ViewState } from "./state";

export class GridCommands {
  readonly #state: ViewState;
  readonly #arrangement: Arrangement;
  /** Where a range begins: the row that was selected last, by id. */
  #anchor: string | null = null;

  constructor(state: ViewState, arrangement: Arrangement) {
    this.#state = state;
    this.#arrangement = arrangement;
  }

  /** A key that is pressed on row `index`, or on the header (-1); true where it meant something. */
  press(event: KeyboardEvent, index: number): boolean {
    const row = this.#rows[index];
    const isOnRow = event.target instanceof Element && event.target.matches("[data-index]");
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") {
      this.#selectAll();
      return true;
    }
    if (event.key === "Escape" && this.#state.selected.peek().size > 0) {
      this.#state.selected.value = new Set();
      return true;
    }
    if (!row || !isOnRow || event.ctrlKey || event.metaKey) {
      return false;
    }
    switch (event.key) {
      case " ":
        this.select(row, index, event.shiftKey);
        return true;
      case "Enter":
        this.#state.open.value = row.id;
        return true;
      default:
        return false;
    }
  }

  /** A click on row `index`: with Shift it selects a range, with Control one more, on the box just this row. */
  click(event: MouseEvent, index: number): void {
    const row = this.#rows[index];
    const target = event.target;
    if (!row || !(target instanceof Element) || target.closest("button")) {
      return;
    }
    const box = target.closest<HTMLInputElement>("[data-select]");
    if (box || event.shiftKey || event.ctrlKey || event.metaKey) {
      this.select(row, index, event.shiftKey);
    }
    if (box) {
      // The click has changed the box by itself; the selection decides.
      box.checked = this.#state.selected.peek().has(row.id);
    }
  }

  /** Selects a row or takes it out again; as a range, all from the row that was chosen before. */
  select(row: Row, index: number, asRange: boolean): void {
    const selected = this.#state.selected;
    const from = this.#rows.findIndex(({ id }) => id === this.#anchor);
    if (asRange && from >= 0) {
      selected.value = withRange(selected.peek(), this.#rows, from, index);
    } else {
      this.#anchor = row.id;
      selected.value = toggled(selected.peek(), row.id);
    }
  }

  /** The selection follows the focus from one row to another, as Shift and an arrow key ask for. */
  extend(from: number, to: number): void {
    const first = this.#rows[from];
    if (!first || to < 0) {
      return;
    }
    if (!this.#rows.some(({ id }) => id === this.#anchor) || !this.#state.selected.peek().has(this.#anchor ?? "")) {
      this.#anchor = first.id;
    }
    const anchor = this.#rows.findIndex(({ id }) => id === this.#anchor);
    const between = this.#rows.slice(Math.min(anchor, from), Math.max(anchor, from) + 1);
    // What the range leaves again when it shrinks is taken out.
    const rest = withAllOf(this.#state.selected.peek(), between, false);
    this.#state.selected.value = withRange(rest, this.#rows, anchor, to);
  }

  #selectAll(): void {
    this.#state.selected.value = withAllOf(this.#state.selected.peek(), this.#rows, true);
    this.#state.announcement.value = `${this.#rows.length} models selected`;
  }

  get #rows(): readonly Row[] {
    return this.#arrangement.rows.peek();
  }
}
