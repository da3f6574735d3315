/** What one table shows of the rows: which, in what order, in which columns. Kept as long as the view is. */
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Row } from "../protocol/schema";
import { COLUMNS, type Column, type ColumnKey, firstColumns } from "./columns";
import { type Filter, filterRows, NO_FILTER } from "./row-filter";
import { nextSort, type Sort, sortRows } from "./row-sort";

export class Arrangement {
  readonly filter = signal<Filter>(NO_FILTER);
  readonly sort = signal<Sort | null>(null);
  readonly columns: ReadonlySignal<readonly Column[]>;
  readonly rows: ReadonlySignal<readonly Row[]>;
  readonly #chosen = signal<ReadonlySet<ColumnKey>>(new Set());

  /** @param names the columns to begin with; null for the usual ones */
  constructor(rows: ReadonlySignal<readonly Row[]>, names: readonly string[] | null) {
    this.#chosen.value = firstColumns(names);
    this.columns = computed(() => COLUMNS.filter(({ key }) => this.#chosen.value.has(key)));
    // Sorted before filtered: then a keystroke filters rows that are in order already.
    let before: readonly Row[] = [];
    const sorted = computed(() => {
      before = sortRows(rows.value, this.sort.value, before);
      return before;
    });
    this.rows = computed(() => filterRows(sorted.value, this.filter.value));
  }

  get isFiltered(): boolean {
    const { text, type, status } = this.filter.value;
    return Boolean(text.trim() || type || status);
  }

  setFilter(changes: Partial<Filter>): void {
    this.filter.value = { ...this.filter.value, ...changes };
  }

  sortBy(key: ColumnKey): void {
    this.sort.value = nextSort(this.sort.value, key);
  }

  toggleColumn(key: ColumnKey): void {
    const chosen = new Set(this.#chosen.value);
    if (!chosen.delete(key)) {
      chosen.add(key);
    }
    this.#chosen.value = chosen;
    if (!chosen.has(key) && this.sort.value?.key === key) {
      this.sort.value = null;
    }
  }
}
