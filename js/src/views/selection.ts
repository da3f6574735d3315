/** The models that the user chose: by id, so that a choice outlives sorting, filtering and changes. */
import { effect, type Signal } from "@preact/signals";
import type { Row } from "../protocol/schema";
import { readIds } from "./row-table";
import type { ViewModel } from "./view-model";

export type Selection = ReadonlySet<string>;

export function toggled(selection: Selection, id: string): Selection {
  const ids = new Set(selection);
  if (!ids.delete(id)) {
    ids.add(id);
  }
  return ids;
}

/** The selection with all rows from one place to another, both included. */
export function withRange(selection: Selection, rows: readonly Row[], from: number, to: number): Selection {
  const range = rows.slice(Math.min(from, to), Math.max(from, to) + 1);
  return new Set([...selection, ...range.map((row) => row.id)]);
}

/** The selection with or without all of `rows`. */
export function withAllOf(selection: Selection, rows: readonly Row[], chosen: boolean): Selection {
  const ids = new Set(selection);
  for (const row of rows) {
    if (chosen) {
      ids.add(row.id);
    } else {
      ids.delete(row.id);
    }
  }
  return ids;
}

/** The selection without models that are gone; itself where none is. */
export function stillThere(selection: Selection, before: readonly Row[], after: readonly Row[]): Selection {
  if (selection.size === 0 || before === after) {
    return selection;
  }
  const there = new Set(after.map((row) => row.id));
  const gone = before.filter((row) => selection.has(row.id) && !there.has(row.id));
  return gone.length > 0 ? withAllOf(selection, gone, false) : selection;
}

/** Keeps `selected` and the model's trait of that name alike, where it has one. The user owns it, so both sides write. */
export function syncSelection(model: ViewModel, selected: Signal<Selection>, until: AbortSignal): void {
  const follow = () => {
    const ids = readIds(model.get("selected"));
    if (ids && !isSame(selected.peek(), ids)) {
      selected.value = new Set(ids);
    }
  };
  follow();
  model.on("change:selected", follow);
  const stop = effect(() => {
    const ids = readIds(model.get("selected"));
    if (ids && model.set && model.save_changes && !isSame(selected.value, ids)) {
      model.set("selected", [...selected.value]);
      model.save_changes();
    }
  });
  until.addEventListener("abort", () => {
    model.off("change:selected", follow);
    stop();
  });
}

function isSame(selection: Selection, ids: readonly string[]): boolean {
  return selection.size === ids.length && ids.every((id) => selection.has(id));
}
