/** The registry table: an ARIA grid that draws only the rows in sight. */
import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Row } from "../protocol/schema";
import { nextIndex, stepInRow } from "./grid-keys";
import { ModelRow } from "./model-row";
import type { ViewState } from "./state";
import { scrollTopFor, type Viewport, visibleRange } from "./windowing";

const COLUMNS = ["Model", "Type", "Size", "Status", "Health", "Actions"];
/** Pixels; the rows' height never depends on their content, so that nothing jumps. */
const ROW_HEIGHT = 68;
/** In a narrow place (a side panel) a row stacks its cells. */
const STACKED_ROW_HEIGHT = 132;
const STACKED_BELOW = 540;
/** The header sticks to the top and covers that much of the rows; stacked tables have none to see. */
const HEADER_HEIGHT = 32;

interface TableProps {
  readonly rows: ReadonlySignal<readonly Row[]>;
  readonly state: ViewState;
}

export function ModelTable({ rows, state }: TableProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const size = useSignal({ width: 800, height: 400 });
  const top = useSignal(0);
  const active = useSignal(0);
  const wanted = useRef<FocusWish | null>(null);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) {
      return;
    }
    const measure = () => {
      size.value = { width: element.clientWidth, height: element.clientHeight };
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [size]);

  const stacked = size.value.width < STACKED_BELOW;
  const viewport: Viewport = {
    top: top.value,
    height: Math.max(0, size.value.height - (stacked ? 0 : HEADER_HEIGHT)),
    rowHeight: stacked ? STACKED_ROW_HEIGHT : ROW_HEIGHT,
  };
  const all = rows.value;
  const range = visibleRange(all.length, viewport);
  // One row is always reachable by Tab, also when the active one was filtered or scrolled away.
  const tabStop = Math.min(Math.max(active.value, range.start), range.end - 1);

  useLayoutEffect(() => {
    const wish = wanted.current;
    if (wish && focusRow(scroller.current, wish)) {
      wanted.current = null;
    }
  });

  const moveTo = (index: number, button: number) => {
    active.value = index;
    wanted.current = { index, button };
    const element = scroller.current;
    if (element) {
      element.scrollTop = scrollTopFor(index, viewport);
      top.value = element.scrollTop;
    }
    if (focusRow(element, wanted.current)) {
      wanted.current = null;
    }
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const place = placeOf(event.target);
    if (!place || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    const page = Math.max(1, Math.floor(viewport.height / viewport.rowHeight) - 1);
    const index = nextIndex(event.key, place.index, all.length, page);
    const button = stepInRow(event.key, place.button, place.buttons);
    if (index === null && button === null) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    moveTo(index ?? place.index, button ?? place.button);
  };

  return (
    <div
      class="rmm-table"
      data-stacked={stacked || undefined}
      style={{ "--rmm-row-height": `${viewport.rowHeight}px`, "--rmm-header-height": `${HEADER_HEIGHT}px` }}
    >
      <div
        ref={scroller}
        class="rmm-grid"
        role="grid"
        tabIndex={-1}
        aria-label="Models"
        aria-rowcount={all.length + 1}
        aria-colcount={COLUMNS.length}
        onKeyDown={onKeyDown}
        onScroll={(event) => {
          top.value = event.currentTarget.scrollTop;
        }}
        onFocusCapture={(event) => {
          active.value = placeOf(event.target)?.index ?? active.value;
        }}
      >
        <div class="rmm-head" role="rowgroup">
          <div class="rmm-row rmm-header" role="row" aria-rowindex={1}>
            {COLUMNS.map((name, at) => (
              <div
                key={name}
                class={`rmm-cell rmm-col-${name.toLowerCase()}`}
                role="columnheader"
                aria-colindex={at + 1}
              >
                {name}
              </div>
            ))}
          </div>
        </div>
        <div class="rmm-body" role="rowgroup" style={{ height: `${all.length * viewport.rowHeight}px` }}>
          <div role="presentation" style={{ transform: `translateY(${range.start * viewport.rowHeight}px)` }}>
            {all.slice(range.start, range.end).map((row, at) => {
              const index = range.start + at;
              return <ModelRow key={row.id} row={row} index={index} active={index === tabStop} state={state} />;
            })}
          </div>
        </div>
      </div>
    </div>
  );
}

/** Where the focus shall go: a row, and one of its buttons (-1: the row itself). */
interface FocusWish {
  readonly index: number;
  readonly button: number;
}

function focusRow(grid: HTMLElement | null, wish: FocusWish): boolean {
  const row = grid?.querySelector<HTMLElement>(`[data-index="${wish.index}"]`);
  if (!row) {
    return false;
  }
  const buttons = row.querySelectorAll<HTMLElement>("button:not(:disabled)");
  const target = wish.button < 0 ? row : (buttons[Math.min(wish.button, buttons.length - 1)] ?? row);
  target.focus({ preventScroll: true });
  return true;
}

function placeOf(target: EventTarget | null): { index: number; button: number; buttons: number } | null {
  const row = target instanceof Element ? target.closest<HTMLElement>("[data-index]") : null;
  if (!row) {
    return null;
  }
  const buttons = [...row.querySelectorAll("button:not(:disabled)")];
  return { index: Number(row.dataset.index), button: buttons.indexOf(target as Element), buttons: buttons.length };
}
