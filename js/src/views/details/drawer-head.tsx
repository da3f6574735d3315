/** The drawer's head: which model, how it is, what can be done with it. */
import type { RefObject } from "preact";
import type { Row } from "../../protocol/schema";
import { LABELS } from "../action-buttons";
import { CROSS } from "../dialog";
import { ErrorNote } from "../error-note";
import { statusWords, words } from "../format";
import { HealthMark } from "../health-mark";
import type { ViewState } from "../state";
import { CodeButton } from "./code-button";

const PINNED = "M5 1h6v1.500l-1 .8V7l2.500 2.500V11h-3.700v4h-1.600v-4H3.500V9.500L6 7V3.300l-1-.8Z";
const UNPINNED = `${PINNED}M7.500 2.500V7.600L5.600 9.500h4.800L8.500 7.600V2.500Z`;

interface HeadProps {
  readonly state: ViewState;
  /** The model's id, short enough to show. */
  readonly id: string;
  readonly row: Row | undefined;
  readonly heading: RefObject<HTMLHeadingElement | null>;
  onRemove(): void;
  onClose(): void;
}

export function DrawerHead({ state, id, row, heading, onRemove, onClose }: HeadProps) {
  return (
    <header class="rmm-details-head">
      <div class="rmm-details-title">
        <h2 ref={heading} tabIndex={-1}>
          {id}
        </h2>
        <button type="button" class="rmm-close" aria-label={`Close details of ${id}`} title="Close" onClick={onClose}>
          <svg class="rmm-icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
            <path d={CROSS} />
          </svg>
        </button>
      </div>
      {row ? (
        <>
          <p class="rmm-details-line">
            <span class="rmm-status" data-status={row.status}>
              {statusWords(row)}
            </span>
            {row.status === "loaded" && <HealthMark health={row.health} reason={row.health_reason} />}
            <span class="rmm-hint">{words(row.type)}</span>
            {row.allowed && <span class="rmm-hint">unsafe files allowed</span>}
          </p>
          <ErrorNote row={row} state={state} />
          <Buttons state={state} row={row} onRemove={onRemove} />
        </>
      ) : (
        <p class="rmm-empty">It is not registered any more.</p>
      )}
    </header>
  );
}

/** Named without the model, unlike those of its row: the region says which it is. */
function Buttons({ state, row, onRemove }: { state: ViewState; row: Row; onRemove(): void }) {
  const disabled = !state.connected.value;
  const send = (name: string) => void state.run(name, { model_id: row.id });
  return (
    <div class="rmm-actions">
      {row.actions.map((action) => (
        <button key={action} type="button" class="rmm-button" disabled={disabled} onClick={() => send(action)}>
          {LABELS[action] ?? action}
        </button>
      ))}
      <button
        type="button"
        class="rmm-button"
        aria-pressed={row.pinned}
        title="A pinned model is never unloaded to make room for others."
        disabled={disabled}
        onClick={() => send(row.pinned ? "unpin" : "pin")}
      >
        <svg class="rmm-icon rmm-pin-mark" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
          <path d={row.pinned ? PINNED : UNPINNED} fill-rule="evenodd" />
        </svg>
        Pin
      </button>
      <CodeButton state={state} row={row} />
      <button type="button" class="rmm-button rmm-remove-button" disabled={disabled} onClick={onRemove}>
        Remove…
      </button>
    </div>
  );
}
