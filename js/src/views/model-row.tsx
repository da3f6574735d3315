/** One model in the table. Redrawn only when its own row, place or choice changes. */
import { useRef } from "preact/hooks";
import type { Row } from "../protocol/schema";
import { ActionButtons, RowButtons } from "./action-buttons";
import type { Arrangement } from "./arrangement";
import type { ColumnKey } from "./columns";
import { useKeptFocus } from "./focus";
import { formatBytes, statusWords, words } from "./format";
import { HealthMark } from "./health-mark";
import { Icon } from "./icons";
import { hasBar, ProgressBar } from "./progress-bar";
import type { ViewState } from "./state";

interface ModelRowProps {
  readonly row: Row;
  readonly index: number;
  /** Pixels from the table's top. */
  readonly top: number;
  readonly arrangement: Arrangement;
  /** Whether Tab leads here and to the buttons. */
  readonly active: boolean;
  readonly selected: boolean;
  readonly state: ViewState;
}

export function ModelRow({ row, index, top, arrangement, active, selected, state }: ModelRowProps) {
  const element = useRef<HTMLDivElement>(null);
  useKeptFocus(element, element);
  // A component that reads a signal is redrawn for new props and signals only, not whenever the table is.
  const columns = arrangement.columns.value;
  return (
    <div
      ref={element}
      class="rmm-row"
      role="row"
      // The header is row 1.
      aria-rowindex={index + 2}
      aria-selected={selected}
      data-index={index}
      data-status={row.status}
      tabIndex={active ? 0 : -1}
      style={{ top: `${top}px` }}
    >
      {columns.map(({ key }, at) => (
        <div key={key} class={`rmm-cell rmm-col-${key}`} role="gridcell" aria-colindex={at + 1}>
          <Cell column={key} row={row} active={active} selected={selected} state={state} />
        </div>
      ))}
    </div>
  );
}

interface CellProps extends Pick<ModelRowProps, "row" | "active" | "selected" | "state"> {
  readonly column: ColumnKey;
}

function Cell({ column, row, active, selected, state }: CellProps) {
  const tabIndex = active ? 0 : -1;
  switch (column) {
    case "model":
      return <Model row={row} selected={selected} />;
    case "repo":
      return <div title={row.repo}>{row.repo}</div>;
    case "type":
      return words(row.type);
    case "size":
      return row.size > 0 ? formatBytes(row.size) : <Nothing />;
    case "status":
      return <Status row={row} state={state} />;
    case "health":
      return <HealthMark health={row.health} reason={row.health_reason} />;
    case "memory":
      return <Memory row={row} />;
    case "actions":
      return (
        <>
          <ActionButtons row={row} state={state} tabIndex={tabIndex} />
          <RowButtons row={row} state={state} tabIndex={tabIndex} />
        </>
      );
  }
}

function Model({ row, selected }: { row: Row; selected: boolean }) {
  return (
    <>
      <input
        type="checkbox"
        class="rmm-check"
        tabIndex={-1}
        aria-label={`Select ${row.id}`}
        checked={selected}
        data-select
      />
      <div class="rmm-grow">
        <div class="rmm-id" title={row.id}>
          {row.pinned && (
            <span class="rmm-pin" role="img" aria-label="pinned" title="Pinned: never unloaded to make room">
              <Icon name="pin" />
            </span>
          )}
          {row.id}
        </div>
        <div class="rmm-small" title={row.description ? `${row.repo}: ${row.description}` : row.repo}>
          <span class="rmm-repo">{row.description ? `${row.repo} · ` : row.repo}</span>
          {row.description}
        </div>
      </div>
    </>
  );
}

function Nothing() {
  return <span class="rmm-nothing">–</span>;
}

function Memory({ row }: { row: Row }) {
  if (row.memory <= 0) {
    return <Nothing />;
  }
  return (
    <>
      {formatBytes(row.memory)}
      {row.device && <span class="rmm-small"> on {row.device}</span>}
    </>
  );
}

function Status({ row, state }: { row: Row; state: ViewState }) {
  const withBar = hasBar(row);
  return (
    <div class="rmm-state" data-tight={(withBar && row.error !== "") || undefined}>
      <span class="rmm-status" data-status={row.status}>
        {statusWords(row)}
      </span>
      {row.allowed && <span class="rmm-small"> unsafe files allowed</span>}
      {/* Another model's bar is another one, also where the row's element is the same. */}
      {withBar && <ProgressBar key={row.id} row={row} progress={state.progress} />}
      {row.error && <ErrorText row={row} />}
    </div>
  );
}

/** More about it is in the row's details. */
function ErrorText({ row: { error, hint, guide } }: { row: Row }) {
  const more = guide ? `%rmm help ${guide} tells more.` : "";
  return (
    <div class="rmm-error" title={[error, hint, more].filter(Boolean).join("\n")}>
      <span class="rmm-error-text">{error}</span>
      {hint && <span class="rmm-hint"> {hint}</span>}
    </div>
  );
}
