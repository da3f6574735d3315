/** One model in the table. */
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Row } from "../protocol/schema";
import { ActionButtons } from "./action-buttons";
import { formatBytes, statusWords, words } from "./format";
import { HealthMark } from "./health-mark";
import { hasBar, ProgressBar } from "./progress-bar";
import type { ViewState } from "./state";

interface ModelRowProps {
  readonly row: Row;
  readonly index: number;
  readonly active: boolean;
  readonly state: ViewState;
}

export function ModelRow({ row, index, active, state }: ModelRowProps) {
  const element = useKeptFocus();
  return (
    <div
      ref={element}
      class="rmm-row"
      role="row"
      // The header is row 1.
      aria-rowindex={index + 2}
      data-index={index}
      data-status={row.status}
      tabIndex={active ? 0 : -1}
    >
      <div class="rmm-cell rmm-col-model" role="gridcell" aria-colindex={1}>
        <div class="rmm-id" title={row.id}>
          {row.id}
        </div>
        <div class="rmm-small" title={row.description ? `${row.repo}: ${row.description}` : row.repo}>
          {row.repo}
          {row.description && <span class="rmm-description"> {row.description}</span>}
        </div>
      </div>
      <div class="rmm-cell rmm-col-type" role="gridcell" aria-colindex={2}>
        {words(row.type)}
      </div>
      <div class="rmm-cell rmm-col-size" role="gridcell" aria-colindex={3}>
        {row.size > 0 ? formatBytes(row.size) : "–"}
      </div>
      <div class="rmm-cell rmm-col-status" role="gridcell" aria-colindex={4}>
        <Status row={row} state={state} />
      </div>
      <div class="rmm-cell rmm-col-health" role="gridcell" aria-colindex={5}>
        <HealthMark health={row.health} reason={row.health_reason} />
      </div>
      <div class="rmm-cell rmm-col-actions" role="gridcell" aria-colindex={6}>
        <ActionButtons row={row} state={state} />
      </div>
    </div>
  );
}

function Status({ row, state }: { row: Row; state: ViewState }) {
  return (
    <>
      <span class="rmm-status" data-status={row.status}>
        {statusWords(row)}
      </span>
      {row.allowed && <span class="rmm-small"> unsafe files allowed</span>}
      {row.status === "loaded" && row.memory > 0 && (
        <span class="rmm-small">
          {" "}
          {formatBytes(row.memory)} on {row.device}
        </span>
      )}
      {hasBar(row) && <ProgressBar row={row} progress={state.progress} />}
      {row.error && <ErrorText error={row.error} hint={row.hint} />}
    </>
  );
}

function ErrorText({ error, hint }: { error: string; hint: string }) {
  return (
    <div class="rmm-error" title={hint ? `${error}\n${hint}` : error}>
      <span class="rmm-error-text">{error}</span>
      {hint && <span class="rmm-hint"> {hint}</span>}
    </div>
  );
}

/** Keeps the focus in a row whose focused button has gone, as "Download" does once it was pressed. */
function useKeptFocus() {
  const element = useRef<HTMLDivElement>(null);
  const hadFocus = element.current?.matches(":focus-within") ?? false;
  useLayoutEffect(() => {
    if (hadFocus && !element.current?.matches(":focus-within")) {
      element.current?.focus();
    }
  });
  return element;
}
