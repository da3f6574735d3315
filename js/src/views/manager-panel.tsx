/** The whole panel: head line, filter, table, Hub search, log, notices. */
import { useComputed, useSignal } from "@preact/signals";
import { EventLog } from "./event-log";
import { summaryWords } from "./format";
import { HubSearch } from "./hub-search";
import { LiveRegion } from "./live-region";
import { ModelTable } from "./model-table";
import { Notices } from "./notices";
import { filterRows } from "./row-filter";
import type { ViewState } from "./state";

export function ManagerPanel({ state }: { state: ViewState }) {
  const filter = useSignal("");
  const shown = useComputed(() => filterRows(state.rows.value, filter.value));
  const summary = state.summary.value;
  return (
    <div class="rmm-panel" data-connected={state.connected.value}>
      <div class="rmm-summary">{summary && summaryWords(summary).map((part) => <span key={part}>{part}</span>)}</div>
      <Notices state={state} />
      <div class="rmm-tools">
        <input
          class="rmm-input"
          type="search"
          aria-label="Filter models"
          placeholder="Filter models"
          value={filter.value}
          onInput={(event) => {
            filter.value = event.currentTarget.value;
          }}
        />
        <HubSearch state={state} />
      </div>
      <ModelTable rows={shown} state={state} />
      {shown.value.length === 0 && <Empty filtered={state.rows.value.length > 0} />}
      <EventLog state={state} />
      <LiveRegion state={state} />
    </div>
  );
}

function Empty({ filtered }: { filtered: boolean }) {
  if (filtered) {
    return <p class="rmm-empty">No model matches the filter.</p>;
  }
  return (
    <p class="rmm-empty">
      No models yet. Enter a repository above and press Add, or run <code>%rmm add owner/name</code> in a cell.
    </p>
  );
}
