/** Trying a model: its input by its type, a button, and what it makes of that. */
import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Row } from "../../protocol/schema";
import { ActionButtons } from "../action-buttons";
import { FailureNote } from "../failure-note";
import type { ViewState } from "../state";
import { useUniqueId } from "../unique-id";
import { useSaid } from "../use-said";
import { PictureInput } from "./picture-input";
import type { Trial } from "./trial";
import { TrialOutcome } from "./trial-outcome";
import { type InputKind, inputsOf } from "./trial-words";

const LONGEST = 8_000;
/** What brings a model into memory, or closer to it. */
const TOWARDS_LOADED: ReadonlySet<string> = new Set(["load", "download", "resume"]);
const WORDS: Record<InputKind, string> = {
  picture: "Picture",
  text: "Text",
  "two-texts": "Two texts",
  prompt: "Prompt",
};

interface FormProps {
  readonly state: ViewState;
  readonly trial: Trial;
  readonly row: Row;
  readonly tags: readonly string[];
}

export function TrialForm({ state, trial, row, tags }: FormProps) {
  const kinds = inputsOf(row.type, tags);
  const kind = trial.memory.kind.value ?? kinds[0] ?? "picture";
  const busy = trial.attempt.busy.value !== "";
  const failure = trial.attempt.failure.value;
  const isLoaded = row.status === "loaded";
  const canRun = isLoaded && !busy && state.connected.value && trial.isReady(kind);
  const outcome = trial.memory.outcome.value;
  useSaid(trial.attempt.said, (words) => {
    state.announcement.value = words;
  });
  const run = () => {
    if (canRun) {
      void trial.run(kind);
    }
  };
  return (
    <form
      class="rmm-trial"
      aria-label="Try it"
      aria-busy={busy}
      onSubmit={(event) => {
        event.preventDefault();
        run();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          event.stopPropagation();
          run();
        }
      }}
    >
      {!isLoaded && <NotLoaded state={state} row={row} />}
      {kinds.length > 1 && <KindChoice kinds={kinds} kind={kind} trial={trial} />}
      <Input kind={kind} trial={trial} />
      <div class="rmm-trial-buttons">
        <button type="submit" class="rmm-button" aria-disabled={!canRun}>
          Run
        </button>
        {busy && (
          <>
            <button type="button" class="rmm-button" onClick={() => void trial.stop()}>
              Stop
            </button>
            <Elapsed />
          </>
        )}
      </div>
      {trial.wasLeft.value && <p class="rmm-hint">It was stopped when this view was hidden. Run it again.</p>}
      {failure && <FailureNote failure={failure} busy={busy} state={state} />}
      {outcome && <TrialOutcome outcome={outcome} />}
    </form>
  );
}

function NotLoaded({ state, row }: { state: ViewState; row: Row }) {
  const actions = row.actions.filter((action) => TOWARDS_LOADED.has(action));
  return (
    <div class="rmm-notice">
      <span class="rmm-notice-words">Only a loaded model can be tried.</span>
      {actions.length > 0 && <ActionButtons row={{ ...row, actions }} state={state} />}
    </div>
  );
}

function KindChoice({ kinds, kind, trial }: { kinds: readonly InputKind[]; kind: InputKind; trial: Trial }) {
  const name = useUniqueId();
  return (
    <fieldset class="rmm-trial-kinds">
      <legend class="rmm-unseen">Input</legend>
      {kinds.map((each) => (
        <label key={each}>
          <input
            type="radio"
            name={name}
            checked={each === kind}
            onChange={() => {
              trial.memory.kind.value = each;
            }}
          />
          {WORDS[each]}
        </label>
      ))}
    </fieldset>
  );
}

function Input({ kind, trial }: { kind: InputKind; trial: Trial }) {
  switch (kind) {
    case "picture":
      return <PictureInput trial={trial} />;
    case "two-texts":
      return (
        <>
          <TextField label="First text" text={trial.memory.first} />
          <TextField label="Second text" text={trial.memory.second} />
        </>
      );
    default:
      return <TextField label={WORDS[kind]} text={trial.memory.first} />;
  }
}

function TextField({ label, text }: { label: string; text: Signal<string> }) {
  return (
    <label class="rmm-trial-field">
      <span>{label}</span>
      <textarea
        class="rmm-input"
        rows={2}
        maxLength={LONGEST}
        spellcheck={false}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
      />
    </label>
  );
}

/** Seconds since the call began; not told to screen readers, which hear of its end. */
function Elapsed() {
  const seconds = useSignal(0);
  useEffect(() => {
    const timer = setInterval(() => {
      seconds.value += 1;
    }, 1_000);
    return () => clearInterval(timer);
  }, [seconds]);
  return (
    <span class="rmm-hint" aria-hidden="true">
      Running… {seconds.value} s
    </span>
  );
}
