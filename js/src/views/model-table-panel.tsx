/** The table on its own: without search, with what the user must know and what was opened from its rows. */
import { LiveRegion } from "./live-region";
import { Notices } from "./notices";
import { OpenDialog } from "./open-dialog";
import { RegistryTable } from "./registry-table";
import type { ViewState } from "./state";

export function ModelTablePanel({ state }: { state: ViewState }) {
  return (
    <div class="rmm-panel" data-connected={state.connected.value}>
      <Notices state={state} />
      <RegistryTable state={state} empty={<p class="rmm-empty">No models.</p>} />
      <LiveRegion state={state} />
      <OpenDialog state={state} />
    </div>
  );
}
