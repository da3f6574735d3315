/** How large a table is, how its rows are laid out there, and which of them are in sight. */
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { RefObject } from "preact";
import { useLayoutEffect, useMemo } from "preact/hooks";
import type { Arrangement } from "./arrangement";
import { type Layout, layoutFor } from "./columns";
import { type Range, scrollTopFor, type Viewport, visibleRange } from "./windowing";

/** In em; the rows' height never depends on their content, so that nothing jumps. */
const ROW_HEIGHT = 4.4;
/** In a narrow place (a side panel) a row stacks its cells. */
const STACKED_ROW_HEIGHT = 10.6;
/** The header sticks to the top and covers that much of the rows. */
const HEADER_HEIGHT = 2.4;

export class TableGeometry {
  readonly layout: ReadonlySignal<Layout>;
  readonly rowHeight: ReadonlySignal<number>;
  readonly headerHeight: ReadonlySignal<number>;
  /** Computed apart, so that a scroll that leaves the same rows in sight redraws nothing. */
  readonly start: ReadonlySignal<number>;
  readonly end: ReadonlySignal<number>;
  readonly #size = signal({ em: 13, width: 900, height: 400 });
  readonly #top = signal(0);

  constructor(arrangement: Arrangement) {
    const size = this.#size;
    this.layout = computed(() => layoutFor(arrangement.columns.value, size.value.width / size.value.em));
    this.rowHeight = computed(() =>
      Math.round((this.layout.value === "stacked" ? STACKED_ROW_HEIGHT : ROW_HEIGHT) * size.value.em),
    );
    this.headerHeight = computed(() => Math.round(HEADER_HEIGHT * size.value.em));
    const range = computed((): Range => visibleRange(arrangement.rows.value.length, this.#viewport()));
    this.start = computed(() => range.value.start);
    this.end = computed(() => range.value.end);
  }

  /** Rows that a page key moves by. */
  get page(): number {
    return Math.max(1, Math.floor(this.#viewport().height / this.rowHeight.peek()) - 1);
  }

  /** Takes over the size of `grid`; one that is hidden or not in the page yet has none. */
  resized(grid: HTMLElement, width: number, height: number): void {
    if (width > 0) {
      const em = Number.parseFloat(getComputedStyle(grid).fontSize) || 13;
      this.#size.value = { em, width, height };
    }
  }

  scrolled(grid: HTMLElement): void {
    this.#top.value = grid.scrollTop;
  }

  /** Scrolls no further than needed for a row to be wholly visible. */
  reveal(grid: HTMLElement, index: number): void {
    grid.scrollTop = scrollTopFor(index, this.#viewport());
    this.scrolled(grid);
  }

  #viewport(): Viewport {
    const height = Math.max(0, this.#size.value.height - this.headerHeight.value);
    return { top: this.#top.value, height, rowHeight: this.rowHeight.value };
  }
}

/** The geometry of the table in `grid`, which follows its size. */
export function useGeometry(grid: RefObject<HTMLElement | null>, arrangement: Arrangement): TableGeometry {
  const geometry = useMemo(() => new TableGeometry(arrangement), [arrangement]);
  useLayoutEffect(() => {
    const element = grid.current;
    if (!element) {
      return;
    }
    geometry.resized(element, element.clientWidth, element.clientHeight);
    let frame = 0;
    // In the next frame: what is redrawn at once may change the size again, which browsers report as an error. With the
    // size that was told: where it is another by then, that is told, too.
    const observer = new ResizeObserver(([entry]) => {
      cancelAnimationFrame(frame);
      const { width, height } = entry?.contentRect ?? { width: 0, height: 0 };
      frame = requestAnimationFrame(() => geometry.resized(element, width, height));
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      cancelAnimationFrame(frame);
    };
  }, [grid, geometry]);
  return geometry;
}
