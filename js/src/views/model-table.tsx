/** The registry table: an ARIA grid that draws only the rows in sight. */
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { Row } from "../protocol/schema";
import type { Arrangement } from "./arrangement";
import { template } from "./columns";
import { GridCommands } from "./grid-commands";
import { focusAgain, focusPlace, type GridPlace, hasFocus, nameOf, placeOf } from "./grid-focus";
import { HEADER, nextIndex, stepInRow } from "./grid-keys";
import { ModelRow } from "./model-row";
import { watchForDrag } from "./row-drag";
import { RowSlots } from "./row-slots";
import type { ViewState } from "./state";
import { useGeometry } from "./table-geometry";
import { TableHeader } from "./table-header";

const KEYS = "Arrow keys move, the right one leads to a row's buttons. Space selects a row, Enter opens its details.";

interface TableProps {
  readonly arrangement: Arrangement;
  readonly state: ViewState;
}

export function ModelTable({ arrangement, state }: TableProps) {
  const grid = useRef<HTMLDivElement>(null);
  const geometry = useGeometry(grid, arrangement);
  const commands = useMemo(() => new GridCommands(state, arrangement), [state, arrangement]);
  const slots = useMemo(() => new RowSlots(), []);
  const headerStop = useSignal(0);
  /** The row that Tab leads to, by id. */
  const active = useSignal<string | null>(null);
  /** Where the focus was last: the row's place, which another may have taken since, and the button's name. */
  const last = useRef({ index: 0, name: "" });
  /** Where the focus shall go as soon as the row is drawn. */
  const wish = useRef<GridPlace | null>(null);

  const rows = arrangement.rows.value;
  const columns = arrangement.columns.value;
  const layout = geometry.layout.value;
  const rowHeight = geometry.rowHeight.value;
  const activeIndex = placeOfActive(rows, active.value, last.current.index);

  const shown = drawn(rows, geometry.start.value, geometry.end.value, activeIndex);
  const hadFocus = grid.current?.matches(":focus-within") ?? false;
  const keys = slots.assign(
    shown.map(([row]) => row.id),
    !hadFocus,
  );

  useLayoutEffect(() => {
    last.current.index = Math.max(0, activeIndex);
    if (wish.current && focusPlace(grid.current, wish.current)) {
      wish.current = null;
    } else if (hadFocus && !hasFocus(grid.current)) {
      // Its row has moved or is gone.
      focusAgain(grid.current, activeIndex, last.current.name);
    }
  });

  const moveTo = (place: GridPlace) => {
    const element = grid.current;
    if (!element) {
      return;
    }
    if (place.index !== HEADER) {
      active.value = rows[place.index]?.id ?? null;
      geometry.reveal(element, place.index);
    }
    wish.current = focusPlace(element, place) ? null : place;
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const place = placeOf(event.target);
    if (!place || event.altKey) {
      return;
    }
    if (commands.press(event, place.index)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    const toEnd = (event.ctrlKey || event.metaKey) && (event.key === "Home" || event.key === "End");
    if ((event.ctrlKey || event.metaKey) && !toEnd) {
      return;
    }
    const isRightToLeft = getComputedStyle(event.currentTarget as Element).direction === "rtl";
    const index = nextIndex(event.key, place.index, rows.length, geometry.page);
    const button = stepInRow(event.key, place.button, place.buttons, isRightToLeft);
    if (index === null && button === null) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    if (event.shiftKey && index !== null) {
      commands.extend(place.index, index);
    }
    const wanted = toEnd ? -1 : (button ?? place.button);
    const isIntoOrOutOfHeader = index !== null && (index === HEADER) !== (place.index === HEADER);
    moveTo({
      index: index ?? place.index,
      button: isIntoOrOutOfHeader ? (index === HEADER ? headerStop.peek() : -1) : wanted,
    });
  };

  const onFocus = (event: FocusEvent) => {
    const place = placeOf(event.target);
    if (place?.index === HEADER) {
      headerStop.value = Math.max(0, place.button);
    } else if (place) {
      last.current = { index: place.index, name: nameOf(event.target) };
      active.value = rows[place.index]?.id ?? null;
    }
  };

  return (
    <div
      class="rmm-table"
      data-layout={layout}
      data-repository={columns.some(({ key }) => key === "repo") || undefined}
      style={{
        "--rmm-row-height": `${rowHeight}px`,
        "--rmm-header-height": `${geometry.headerHeight.value}px`,
        "--rmm-columns": template(columns, layout),
      }}
    >
      <div
        ref={grid}
        class="rmm-grid"
        role="grid"
        tabIndex={-1}
        aria-label="Models"
        aria-description={KEYS}
        aria-rowcount={rows.length + 1}
        aria-colcount={columns.length}
        aria-multiselectable
        onKeyDown={onKeyDown}
        onClick={(event) => commands.click(event, placeOf(event.target)?.index ?? HEADER)}
        onPointerDown={(event) => watchForDrag(event, rows[placeOf(event.target)?.index ?? HEADER], state)}
        onMouseDown={(event) => {
          // A range of rows is meant, not of their text.
          if (event.shiftKey) {
            event.preventDefault();
          }
        }}
        onScroll={(event) => geometry.scrolled(event.currentTarget)}
        onFocusCapture={onFocus}
      >
        <div class="rmm-head" role="rowgroup">
          <TableHeader arrangement={arrangement} rows={rows} selected={state.selected} tabStop={headerStop.value} />
        </div>
        <div class="rmm-body" role="rowgroup" style={{ height: `${rows.length * rowHeight}px` }}>
          {shown.map(([row, index], at) => (
            <ModelRow
              key={keys[at]}
              row={row}
              index={index}
              top={index * rowHeight}
              arrangement={arrangement}
              active={index === activeIndex}
              selected={state.selected.value.has(row.id)}
              state={state}
            />
          ))}
        </div>
      </div>
    </div>
  );
}

/** Where the active row stands now; of one that is gone, the row that took its place. */
function placeOfActive(rows: readonly Row[], id: string | null, last: number): number {
  if (rows[last]?.id === id) {
    return last;
  }
  const place = id === null ? -1 : rows.findIndex((row) => row.id === id);
  return place >= 0 ? place : Math.min(last, rows.length - 1);
}

/** The rows in sight, and the active one: it may have the focus, and Tab has to find it. */
function drawn(rows: readonly Row[], start: number, end: number, active: number): [Row, number][] {
  const places = Array.from({ length: Math.max(0, end - start) }, (_, at) => start + at);
  if (active >= 0 && active < start) {
    places.unshift(active);
  } else if (active >= end && active < rows.length) {
    places.push(active);
  }
  return places.map((place): [Row, number] => [rows[place] as Row, place]);
}
