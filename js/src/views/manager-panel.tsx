/** The whole panel: head line, notices, Hub search, table with details, log, dialogs. */
import { NoModels } from "./empty-state";
import { EventLog } from "./event-log";
import { HubSearch } from "./hub-search";
import { LiveRegion } from "./live-region";
import { Notices } from "./notices";
import { OpenDialog } from "./open-dialog";
import { RegistryTable } from "./registry-table";
import type { ViewState } from "./state";
import { SummaryHeader } from "./summary-header";

export function ManagerPanel({ state }: { state: ViewState }) {
  return (
    <div class="rmm-panel" data-connected={state.connected.value}>
      <SummaryHeader state={state} />
      <Notices state={state} />
      <div class="rmm-tools">
        <HubSearch state={state} />
      </div>
      <RegistryTable state={state} empty={<NoModels state={state} />} />
      <EventLog state={state} />
      <LiveRegion state={state} />
      <OpenDialog state={state} />
    </div>
  );
}
