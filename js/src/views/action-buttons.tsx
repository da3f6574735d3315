/** A row's buttons: each sends the command it is named after. */
import type { Action, Row } from "../protocol/schema";
import { Icon, type IconName } from "./icons";
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
  /** -1 in a row of the table that arrow keys have to lead to first. */
  readonly tabIndex?: number;
}

export function ActionButtons({ row, state, tabIndex = 0 }: ButtonsProps) {
  return (
    <span class="rmm-actions">
      {row.actions.map((action) => (
        <button
          key={action}
          type="button"
          class="rmm-button"
          tabIndex={tabIndex}
          aria-label={`${LABELS[action]} ${row.id}`}
          title={LABELS[action]}
          disabled={!state.connected.value}
          onClick={() => void state.run(action, { model_id: row.id })}
        >
          <Icon name={action} />
          <span class="rmm-word">{LABELS[action]}</span>
        </button>
      ))}
    </span>
  );
}

/** The buttons that every row of the table has: they open something and change nothing by themselves. */
export function RowButtons({ row, state, tabIndex = 0 }: ButtonsProps) {
  const common = { id: row.id, tabIndex, disabled: !state.connected.value };
  const details = () => {
    state.open.value = row.id;
  };
  const remove = () => {
    state.dialog.value = { kind: "remove", ids: [row.id] };
  };
  return (
    <span class="rmm-actions">
      <IconButton icon="details" label="Details" {...common} onClick={details} />
      <IconButton icon="remove" label="Remove" {...common} onClick={remove} />
    </span>
  );
}

interface IconButtonProps {
  readonly icon: IconName;
  readonly label: string;
  readonly id: string;
  readonly tabIndex: number;
  readonly disabled: boolean;
  onClick(): void;
}

function IconButton({ icon, label, id, ...rest }: IconButtonProps) {
  return (
    <button type="button" class="rmm-button rmm-icon-button" aria-label={`${label} ${id}`} title={label} {...rest}>
      <Icon name={icon} />
    </button>
  );
}
