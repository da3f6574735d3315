/** What one table shows of the rows: which, in what order, in which columns. */
import { computed, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Row } from "../protocol/schema";
import { COLUMNS, type Column, type ColumnKey, firstColumns } from "./columns";
import { type Filter, filterRows } from "./row-filter";
import { nextSort, type Sort, sortRows } from "./row-sort";
import type { ViewMemory } from "./view-memory";

export class Arrangement {
  readonly filter: Signal<Filter>;
  readonly sort: Signal<Sort | null>;
  readonly columns: ReadonlySignal<readonly Column[]>;
  readonly rows: ReadonlySignal<readonly Row[]>;
  readonly #chosen: ReadonlySignal<ReadonlySet<ColumnKey>>;
  readonly #memory: ViewMemory;

  /**
   * @param names the columns to begin with; null for the usual ones
   * @param memory what the user arranges is kept there
   */
  constructor(rows: ReadonlySignal<readonly Row[]>, names: readonly string[] | null, memory: ViewMemory) {
    this.#memory = memory;
    this.filter = memory.filter;
    this.sort = memory.sort;
    const first = firstColumns(names);
    this.#chosen = computed(() => memory.columns.value ?? first);
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
    const chosen = new Set(this.#chosen.peek());
    if (!chosen.delete(key)) {
      chosen.add(key);
    }
    this.#memory.columns.value = chosen;
    if (!chosen.has(key) && this.sort.value?.key === key) {
      this.sort.value = null;
    }
  }
}
