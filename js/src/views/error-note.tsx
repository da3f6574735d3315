/** What went wrong with a model, what to do about it, and the button that does it. */
import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import type { Action, Fix, Row } from "../protocol/schema";
import { allowLine, installLine, logInLine, repositoryPage } from "./commands-in-text";
import { CopyLine } from "./copy-line";
import { DialogButton } from "./dialog-button";
import { formatBytes } from "./format";
import { MoreAbout } from "./more-about";
import type { ViewState } from "./state";

interface NoteProps {
  readonly row: Row;
  readonly state: ViewState;
}

/** Nothing for a row without an error. */
export function ErrorNote({ row, state }: NoteProps) {
  if (!row.error) {
    return null;
  }
  return (
    <div class="rmm-error-note" data-fix={row.fix || undefined}>
      <p class="rmm-error-words">
        <span class="rmm-error-text">{row.error}</span>
        {row.hint && <span class="rmm-hint"> {row.hint}</span>}
      </p>
      <FixOf row={row} state={state} />
      <MoreAbout name={row.guide} state={state} />
    </div>
  );
}

/** What helps by `row.fix`; nothing where that is empty or unknown. */
export function FixOf({ row, state }: NoteProps) {
  const Help = row.fix !== "" && Object.hasOwn(HELP, row.fix) ? HELP[row.fix] : undefined;
  return (
    Help && (
      <div class="rmm-fix">
        <Help row={row} state={state} />
      </div>
    )
  );
}

/** In this order: what is on disk in part goes on, what is there is loaded. */
const AGAIN: readonly Action[] = ["resume", "download", "load"];

function Retry({ row, state }: NoteProps) {
  const action = AGAIN.find((each) => row.actions.includes(each));
  if (!action) {
    return null;
  }
  return <Act label="Retry" action={action} row={row} state={state} />;
}

function Repair({ row, state }: NoteProps) {
  if (row.actions.includes("repair")) {
    return null; // Its row has the button.
  }
  return <Act label="Repair" action="repair" row={row} state={state} />;
}

function Act({ label, action, row, state }: NoteProps & { label: string; action: Action }) {
  return (
    <button
      type="button"
      class="rmm-button"
      aria-label={`${label} ${row.id}`}
      disabled={!state.connected.value}
      onClick={() => void state.run(action, { model_id: row.id })}
    >
      {label}
    </button>
  );
}

function FreeSpace({ row, state }: NoteProps) {
  return (
    <>
      <DialogButton state={state} opens={{ kind: "usage" }} label={`Free space for ${row.id}`}>
        Free space…
      </DialogButton>
      <Retry row={row} state={state} />
    </>
  );
}

function FreeMemory({ row, state }: NoteProps) {
  const open = useSignal(false);
  return (
    <>
      <button
        type="button"
        class="rmm-button"
        aria-label={`Make room for ${row.id}`}
        aria-expanded={open.value}
        onClick={() => {
          open.value = !open.value;
        }}
      >
        Make room…
      </button>
      <Retry row={row} state={state} />
      {open.value && <Residents row={row} state={state} />}
    </>
  );
}

/** The loaded models with what each holds, largest first. */
function Residents({ row, state }: NoteProps) {
  const loaded = state.rows.value
    .filter((other) => other.status === "loaded" && other.id !== row.id)
    .sort((one, other) => other.memory - one.memory);
  if (loaded.length === 0) {
    return <p class="rmm-small rmm-fix-more">No other model is loaded here.</p>;
  }
  return (
    <ul class="rmm-list rmm-fix-more" aria-label="Loaded models">
      {row.need > 0 && <li class="rmm-small">{`${row.id} needs about ${formatBytes(row.need)}.`}</li>}
      {loaded.map((other) => (
        <li key={other.id} class="rmm-resident">
          <span class="rmm-id">{other.id}</span>
          <span class="rmm-small">{`${formatBytes(other.memory)}${other.pinned ? ", pinned" : ""}`}</span>
          <button
            type="button"
            class="rmm-button"
            aria-label={`Unload ${other.id} to make room`}
            disabled={!state.connected.value || !other.actions.includes("unload")}
            onClick={() => void state.run("unload", { model_id: other.id })}
          >
            Unload
          </button>
        </li>
      ))}
    </ul>
  );
}

/** A token never goes through a page: the user gives it to the kernel or the terminal. */
function LogIn({ row, state }: NoteProps) {
  const page = repositoryPage(row.repo, row.hint);
  const command = logInLine(row.hint);
  return (
    <>
      {page && (
        <a class="rmm-link" href={page} target="_blank" rel="noopener noreferrer">
          Ask for access: {page}
        </a>
      )}
      {command && (
        <>
          <span class="rmm-small">In a terminal:</span>
          <CopyLine line={command} />
        </>
      )}
      <Retry row={row} state={state} />
    </>
  );
}

function Install({ row, state }: NoteProps) {
  const line = installLine(row.hint);
  return (
    <>
      {line && <CopyLine line={line} />}
      <Retry row={row} state={state} />
    </>
  );
}

function Allow({ row }: NoteProps) {
  const line = allowLine(row.id, row.hint);
  return (
    <>
      <span class="rmm-small">Only a cell can allow this, not a button.</span>
      {line && <CopyLine line={line} />}
    </>
  );
}

const HELP: Record<Exclude<Fix, "">, ComponentType<NoteProps>> = {
  retry: Retry,
  "free-space": FreeSpace,
  "free-memory": FreeMemory,
  "log-in": LogIn,
  install: Install,
  repair: Repair,
  allow: Allow,
};
