/** Health badges: which models are loaded, and how they are. */
import type { Row } from "../protocol/schema";
import { formatBytes, statusWords } from "./format";
import { HealthMark } from "./health-mark";
import { LiveRegion } from "./live-region";
import { LongList } from "./long-list";
import { MoreAbout } from "./more-about";
import { Notices } from "./notices";
import type { ViewState } from "./state";

export function BadgeList({ state }: { state: ViewState }) {
  const rows = state.rows.value;
  return (
    <div class="rmm-panel" data-connected={state.connected.value}>
      <Notices state={state} />
      {rows.length === 0 && <p class="rmm-empty">No models.</p>}
      <ul class="rmm-badges" aria-label="Health">
        <LongList rows={rows} matters={(row) => row.health !== "unknown" || row.error !== ""}>
          {(row) => <Badge key={row.id} row={row} state={state} />}
        </LongList>
      </ul>
      <LiveRegion state={state} />
    </div>
  );
}

function Badge({ row, state }: { row: Row; state: ViewState }) {
  return (
    <li class="rmm-badge" data-health={row.health}>
      <span class="rmm-id" title={row.id}>
        {row.id}
      </span>
      <span class="rmm-status" data-status={row.status}>
        {statusWords(row)}
      </span>
      <HealthMark health={row.health} reason={row.health_reason} />
      {row.status === "loaded" && row.memory > 0 && <span class="rmm-small">{formatBytes(row.memory)}</span>}
      {row.error && (
        <span class="rmm-error-words">
          <span class="rmm-error-text">{row.error}</span>
          {row.hint && <span class="rmm-hint"> {row.hint}</span>}
          <MoreAbout name={row.guide} state={state} />
        </span>
      )}
    </li>
  );
}
