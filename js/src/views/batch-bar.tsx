/** What can be done with the selected models together; there while some are. */
import type { Row } from "../protocol/schema";
import { LABELS } from "./action-buttons";
import type { Arrangement } from "./arrangement";
import { BATCH_COMMANDS, type BatchCommand, fitting } from "./batch";
import { Icon, type IconName } from "./icons";
import type { ViewState } from "./state";

export function BatchBar({ arrangement, state }: { arrangement: Arrangement; state: ViewState }) {
  const selected = state.selected.value;
  const chosen = selected.size === 0 ? [] : state.rows.value.filter((row) => selected.has(row.id));
  if (chosen.length === 0) {
    return null;
  }
  const unseen = chosen.length - arrangement.rows.value.filter((row) => selected.has(row.id)).length;
  return (
    <div class="rmm-batch" role="group" aria-label="Selected models">
      <span class="rmm-batch-count">
        {chosen.length.toLocaleString()} selected
        {unseen > 0 && <span class="rmm-small"> ({unseen.toLocaleString()} hidden by the filter)</span>}
      </span>
      {BATCH_COMMANDS.map((command) => (
        <BatchButton key={command} command={command} rows={fitting(command, chosen)} state={state} />
      ))}
      <button
        type="button"
        class="rmm-button"
        aria-label="Remove… selected"
        disabled={!state.connected.value}
        onClick={() => {
          state.dialog.value = { kind: "remove", ids: chosen.map(({ id }) => id) };
        }}
      >
        <Icon name="remove" />
        <span>Remove…</span>
      </button>
      <button
        type="button"
        class="rmm-button"
        aria-label="Clear selection"
        onClick={() => {
          state.selected.value = new Set();
        }}
      >
        <Icon name="cancel" />
        <span>Clear</span>
      </button>
    </div>
  );
}

interface BatchButtonProps {
  readonly command: BatchCommand;
  readonly rows: readonly Row[];
  readonly state: ViewState;
}

function BatchButton({ command, rows, state }: BatchButtonProps) {
  if (rows.length === 0) {
    return null;
  }
  const label = labelOf(command);
  const ids = rows.map(({ id }) => id);
  return (
    <button
      type="button"
      class="rmm-button"
      aria-label={`${label} selected`}
      title={`${label}: ${ids.length.toLocaleString()} of the selected models`}
      disabled={!state.connected.value}
      onClick={() => void state.runMany(command, label, ids)}
    >
      <Icon name={iconOf(command)} />
      <span>{label}</span>
    </button>
  );
}

function labelOf(command: BatchCommand): string {
  switch (command) {
    case "pin":
      return "Pin";
    case "unpin":
      return "Unpin";
    default:
      return LABELS[command];
  }
}

function iconOf(command: BatchCommand): IconName {
  return command === "unpin" ? "pin" : command;
}
