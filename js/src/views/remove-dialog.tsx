/** Asks how models shall be removed, tells what that frees, removes them. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { MOST_IDS } from "./batch";
import { CommandFailed } from "./command-client";
import { cutText } from "./cut-text";
import { Dialog } from "./dialog";
import { tableNear } from "./focus";
import { MoreAbout } from "./more-about";
import { type Bytes, bytesOfDetails, bytesOfUsage, effectOf, withTogether } from "./removal/freed-bytes";
import { type Removal, removeModels } from "./removal/remove-models";
import { consequences, nameOf, progressOf, resultOf } from "./removal/words";
import type { ViewState } from "./state";
import { useUniqueId } from "./unique-id";

const MOST_NAMES = 8;
const LONGEST_NAME = 120;

interface RemoveProps {
  readonly state: ViewState;
  readonly ids: readonly string[];
}

export function RemoveDialog({ state, ids }: RemoveProps) {
  const effect = useSignal("Looking up what that frees…");
  const removal = useSignal<Removal | null>(null);
  const failure = useSignal<CommandFailed | null>(null);
  /** What is still to be removed: after a failure it may be less than what was asked for. */
  const left = useSignal(ids);
  const element = useRef<HTMLDivElement>(null);
  const shown = useRef(true);
  const succeeded = useRef(false);

  useEffect(() => {
    void askEffect(state, ids).then((words) => {
      effect.value = words;
    });
    return () => {
      shown.current = false;
    };
  }, [state, ids, effect]);

  const close = () => {
    state.dialog.value = null;
  };
  const isReady = removal.value === null && state.connected.value;
  const remove = async (files: boolean) => {
    const asked = left.peek();
    failure.value = null;
    try {
      const result = await removeModels(state, asked, files, (sofar) => {
        removal.value = sofar;
        left.value = asked.slice(sofar.done);
      });
      succeeded.current = true;
      state.notify("done", resultOf(result, asked));
      if (shown.current) {
        close();
      }
    } catch (error) {
      if (!(error instanceof CommandFailed)) {
        throw error;
      }
      removal.value = null;
      failure.value = error;
      if (!shown.current) {
        state.notify("error", error.message, error.hint, error.guide);
      }
    }
  };

  return (
    <Dialog
      title={`Remove ${nameOf(ids)}`}
      onClose={close}
      // What opened it is a button of a model that is gone now, or soon.
      returnTo={(opener) => (succeeded.current ? null : opener) ?? tableNear(element.current)}
    >
      <div ref={element} class="rmm-remove" aria-busy={removal.value !== null}>
        {ids.length > 1 && <Names ids={left.value} />}
        {consequences(state.rows.value, left.value).map((sentence) => (
          <p key={sentence}>{sentence}</p>
        ))}
        {failure.value && (
          <>
            <Failure failure={failure.value} left={left.value.length} of={ids.length} />
            <MoreAbout name={failure.value.guide} state={state} />
          </>
        )}
        <Choice label="Remove from the list" enabled={isReady} onChoose={() => void remove(false)}>
          The files stay on disk, so that adding it again needs no download.
        </Choice>
        <Choice
          label={`Delete with ${ids.length === 1 ? "its" : "their"} files`}
          enabled={isReady}
          destructive
          onChoose={() => void remove(true)}
        >
          {effect.value}
        </Choice>
        <div class="rmm-dialog-foot">
          <span role="status" class="rmm-hint">
            {removal.value && progressOf(removal.value)}
          </span>
          {/* The focus begins where a careless Enter does no harm. */}
          <button type="button" class="rmm-button" autofocus onClick={close}>
            {removal.value ? "Let it go on" : "Cancel"}
          </button>
        </div>
      </div>
    </Dialog>
  );
}

function Names({ ids }: { ids: readonly string[] }) {
  const rest = ids.length - MOST_NAMES;
  return (
    <ul class="rmm-remove-names" aria-label="Models to remove">
      {ids.slice(0, MOST_NAMES).map((id) => (
        <li key={id}>{cutText(id, LONGEST_NAME)}</li>
      ))}
      {rest > 0 && <li>and {rest} more</li>}
    </ul>
  );
}

function Failure(props: { failure: CommandFailed; left: number; of: number }) {
  const { failure, left, of } = props;
  return (
    <p role="alert" class="rmm-notice" data-kind="error">
      <span class="rmm-error-text">{failure.message}</span>
      {failure.hint && <span class="rmm-hint"> {failure.hint}</span>}
      {left < of && <span> {`${of - left} of ${of} are removed.`}</span>}
    </p>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly enabled: boolean;
  readonly destructive?: boolean;
  readonly children: ComponentChildren;
  onChoose(): void;
}

/** A button and what it does. It keeps the focus while it is disabled, hence `aria-disabled`. */
function Choice({ label, enabled, destructive, children, onChoose }: ChoiceProps) {
  const effectId = useUniqueId();
  return (
    <div class="rmm-removal" data-destructive={destructive}>
      <p id={effectId}>{children}</p>
      <button
        type="button"
        class="rmm-button"
        aria-describedby={effectId}
        aria-disabled={!enabled}
        onClick={() => {
          if (enabled) {
            onChoose();
          }
        }}
      >
        {label}
      </button>
    </div>
  );
}

/** What deleting the files would free, in words; also where that cannot be told. */
async function askEffect(state: ViewState, ids: readonly string[]): Promise<string> {
  const [only] = ids;
  try {
    const bytes =
      ids.length === 1 ? bytesOfDetails(await state.ask("details", { model_id: only })) : await askTogether(state, ids);
    return bytes ? effectOf(bytes) : UNKNOWN;
  } catch (error) {
    if (error instanceof CommandFailed) {
      return `${UNKNOWN} ${error.message}`;
    }
    throw error;
  }
}

async function askTogether(state: ViewState, ids: readonly string[]): Promise<Bytes | null> {
  const [usage, freed] = await Promise.all([
    state.ask("usage", {}),
    ids.length <= MOST_IDS ? state.ask("removal", { model_ids: ids }) : null,
  ]);
  return withTogether(bytesOfUsage(usage, ids), freed);
}

const UNKNOWN = "How much that frees is not known.";
