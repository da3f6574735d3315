/** The bars of some models' downloads. */
import type { Row } from "../protocol/schema";
import { ActionButtons } from "./action-buttons";
import { statusWords } from "./format";
import { LiveRegion } from "./live-region";
import { Notices } from "./notices";
import { hasBar, ProgressBar } from "./progress-bar";
import type { ViewState } from "./state";

export function ProgressList({ state }: { state: ViewState }) {
  const rows = state.rows.value;
  const missing = state.missing.value;
  return (
    <div class="rmm-panel" data-connected={state.connected.value}>
      <Notices state={state} />
      {rows.length + missing.length === 0 && <p class="rmm-empty">No downloads.</p>}
      <ul class="rmm-list" aria-label="Downloads">
        {rows.map((row) => (
          <Download key={row.id} row={row} state={state} />
        ))}
        {missing.map((id) => (
          <li key={id} class="rmm-download">
            <span class="rmm-id">{id}</span>
            <span class="rmm-small">no longer registered</span>
          </li>
        ))}
      </ul>
      <LiveRegion state={state} />
    </div>
  );
}

function Download({ row, state }: { row: Row; state: ViewState }) {
  return (
    <li class="rmm-download" data-status={row.status}>
      <span class="rmm-id">{row.id}</span>
      <span class="rmm-status" data-status={row.status}>
        {statusWords(row)}
      </span>
      <span class="rmm-grow">
        {hasBar(row) && <ProgressBar row={row} progress={state.progress} />}
        {row.error && (
          <span class="rmm-error">
            <span class="rmm-error-text">{row.error}</span>
            {row.hint && <span class="rmm-hint"> {row.hint}</span>}
          </span>
        )}
      </span>
      <ActionButtons row={row} state={state} />
    </li>
  );
}
