/** The table's first row: a button a column, which sorts, and the box that selects every row. */
import type { Signal } from "@preact/signals";
import type { Row } from "../protocol/schema";
import type { Arrangement } from "./arrangement";
import type { Column } from "./columns";
import { Icon } from "./icons";
import { type Selection, withAllOf } from "./selection";

interface HeaderProps {
  readonly arrangement: Arrangement;
  readonly rows: readonly Row[];
  readonly selected: Signal<Selection>;
  /** The button that Tab reaches; arrow keys lead to the others. */
  readonly tabStop: number;
}

export function TableHeader({ arrangement, rows, selected, tabStop }: HeaderProps) {
  let button = -1;
  return (
    <div class="rmm-row rmm-header" role="row" aria-rowindex={1}>
      {arrangement.columns.value.map((column, at) => {
        button += column.compare ? 1 : 0;
        return (
          <div
            key={column.key}
            class={`rmm-cell rmm-col-${column.key}`}
            role="columnheader"
            aria-colindex={at + 1}
            aria-sort={column.compare ? sortOf(arrangement, column) : undefined}
          >
            {column.key === "model" && <SelectAll rows={rows} selected={selected} />}
            {column.compare ? (
              <SortButton arrangement={arrangement} column={column} tabbable={button === tabStop} />
            ) : (
              column.title
            )}
          </div>
        );
      })}
    </div>
  );
}

function sortOf({ sort }: Arrangement, { key }: Column): "ascending" | "descending" | "none" {
  return sort.value?.key === key ? sort.value.direction : "none";
}

function SortButton(props: { arrangement: Arrangement; column: Column; tabbable: boolean }) {
  const { arrangement, column, tabbable } = props;
  const sort = sortOf(arrangement, column);
  return (
    <button
      type="button"
      class="rmm-sort"
      tabIndex={tabbable ? 0 : -1}
      title={sort === "descending" ? "Back to the first order" : `Sort by ${column.title.toLowerCase()}`}
      onClick={() => arrangement.sortBy(column.key)}
    >
      {column.title}
      {sort !== "none" && <Icon name={sort} />}
    </button>
  );
}

function SelectAll({ rows, selected }: { rows: readonly Row[]; selected: Signal<Selection> }) {
  const count = selected.value.size === 0 ? 0 : rows.filter((row) => selected.value.has(row.id)).length;
  const isAll = count > 0 && count === rows.length;
  return (
    <input
      type="checkbox"
      class="rmm-check"
      // Control+A does the same in the grid, so the box is no stop for Tab.
      tabIndex={-1}
      aria-label="Select all"
      checked={isAll}
      indeterminate={count > 0 && !isAll}
      disabled={rows.length === 0}
      onChange={() => {
        selected.value = withAllOf(selected.value, rows, !isAll);
      }}
    />
  );
}
