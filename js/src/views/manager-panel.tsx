/** The whole panel: head line, notices, Hub search, table, log. */
import { EventLog } from "./event-log";
import { summaryWords } from "./format";
import { HubSearch } from "./hub-search";
import { LiveRegion } from "./live-region";
import { Notices } from "./notices";
import { RegistryTable } from "./registry-table";
import type { ViewState } from "./state";

export function ManagerPanel({ state }: { state: ViewState }) {
  const summary = state.summary.value;
  return (
    <div class="rmm-panel" data-connected={state.connected.value}>
      <div class="rmm-summary">{summary && summaryWords(summary).map((part) => <span key={part}>{part}</span>)}</div>
      <Notices state={state} />
      <div class="rmm-tools">
        <HubSearch state={state} />
      </div>
      <RegistryTable
        state={state}
        empty={
          <p class="rmm-empty">
            No models yet. Enter a repository above and press Add, or run <code>%rmm add owner/name</code> in a cell.
          </p>
        }
      />
      <EventLog state={state} />
      <LiveRegion state={state} />
    </div>
  );
}
