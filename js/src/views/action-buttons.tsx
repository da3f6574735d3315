/** A row's buttons: each sends the command it is named after. */
import type { Action, Row } from "../protocol/schema";
import type { ViewState } from "./state";

export const LABELS: Record<Action, string> = {
  download: "Download",
  pause: "Pause",
  resume: "Resume",
  cancel: "Cancel",
  discard: "Discard",
  load: "Load",
  unload: "Unload",
  health: "Check",
  repair: "Repair",
};

interface ButtonsProps {
  readonly row: Row;
  readonly state: ViewState;
}

export function ActionButtons({ row, state }: ButtonsProps) {
  return (
    <span class="rmm-actions">
      {row.actions.map((action) => (
        <button
          key={action}
          type="button"
          class="rmm-button"
          aria-label={`${LABELS[action]} ${row.id}`}
          disabled={!state.connected.value}
          onClick={() => void state.run(action, { model_id: row.id })}
        >
          {LABELS[action]}
        </button>
      ))}
    </span>
  );
}
