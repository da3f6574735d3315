/** Health badges: which models are loaded, and how they are. */
import { statusWords } from "./format";
import { HealthMark } from "./health-mark";
import { LiveRegion } from "./live-region";
import { Notices } from "./notices";
import type { ViewState } from "./state";

export function BadgeList({ state }: { state: ViewState }) {
  const rows = state.rows.value;
  return (
    <div class="rmm-panel" data-connected={state.connected.value}>
      <Notices state={state} />
      {rows.length === 0 && <p class="rmm-empty">No models.</p>}
      <ul class="rmm-badges" aria-label="Health">
        {rows.map((row) => (
          <li key={row.id} class="rmm-badge">
            <span class="rmm-id">{row.id}</span>
            <span class="rmm-status" data-status={row.status}>
              {statusWords(row)}
            </span>
            <HealthMark health={row.health} reason={row.health_reason} />
            {row.error && (
              <span class="rmm-error-text" title={row.hint || undefined}>
                {row.error}
              </span>
            )}
          </li>
        ))}
      </ul>
      <LiveRegion state={state} />
    </div>
  );
}
