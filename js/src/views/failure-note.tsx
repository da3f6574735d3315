/** Why something asked for in a form was not done, with a way to try again. */
import type { Failure } from "./attempt";
import { MoreAbout } from "./more-about";
import { SignMark } from "./sign-mark";
import type { ViewState } from "./state";

interface NoteProps {
  readonly failure: Failure;
  readonly busy: boolean;
  readonly state: ViewState;
}

export function FailureNote({ failure, busy, state }: NoteProps) {
  return (
    <div class="rmm-notice" data-kind="error">
      <SignMark sign="error" />
      <span class="rmm-notice-words">
        <span class="rmm-error-text">{failure.message}</span>
        {failure.hint && <span class="rmm-hint"> {failure.hint}</span>}
        <MoreAbout name={failure.guide} state={state} />
      </span>
      <button type="button" class="rmm-button" aria-disabled={busy} onClick={() => failure.retry()}>
        Try again
      </button>
    </div>
  );
}
