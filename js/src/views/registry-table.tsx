/** The table with what belongs to it: filters above, what can be done with the selected models below. */
import { effect } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { Arrangement } from "./arrangement";
import { BatchBar } from "./batch-bar";
import { Details } from "./details/details";
import { NothingMatches } from "./empty-state";
import { ModelTable } from "./model-table";
import type { ViewState } from "./state";
import { TableTools } from "./table-tools";

/** Milliseconds after the last keystroke, so that a screen reader is told one result, not one for each letter. */
const PAUSE = 600;

interface RegistryTableProps {
  readonly state: ViewState;
  /** What stands below a table without any model. */
  readonly empty: ComponentChildren;
}

export function RegistryTable({ state, empty }: RegistryTableProps) {
  const arrangement = useMemo(() => new Arrangement(state.rows, state.columns, state.memory), [state]);
  useEffect(() => announceFiltered(arrangement, state), [arrangement, state]);
  const all = state.rows.value;
  return (
    <div class="rmm-registry">
      <TableTools arrangement={arrangement} all={all} />
      <div class="rmm-split">
        <ModelTable arrangement={arrangement} state={state} />
        <Details state={state} />
      </div>
      {all.length === 0 && empty}
      {all.length > 0 && arrangement.rows.value.length === 0 && (
        <NothingMatches onClear={() => arrangement.setFilter({ text: "", type: "", status: "" })} />
      )}
      <BatchBar arrangement={arrangement} state={state} />
    </div>
  );
}

/** Tells how many rows a filter leaves. */
function announceFiltered(arrangement: Arrangement, state: ViewState): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isFirst = true;
  const stop = effect(() => {
    arrangement.filter.value;
    clearTimeout(timer);
    if (!isFirst) {
      timer = setTimeout(() => {
        const count = arrangement.rows.peek().length;
        state.announcement.value = count === 1 ? "1 model shown" : `${count} models shown`;
      }, PAUSE);
    }
    isFirst = false;
  });
  return () => {
    stop();
    clearTimeout(timer);
  };
}
