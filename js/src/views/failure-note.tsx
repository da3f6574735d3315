/** Why something asked for in a form was not done, with a way to try again. */
import type { Failure } from "./attempt";
import { SignMark } from "./sign-mark";

export function FailureNote({ failure, busy }: { failure: Failure; busy: boolean }) {
  return (
    <div class="rmm-notice" data-kind="error">
      <SignMark sign="error" />
      <span class="rmm-notice-words">
        <span class="rmm-error-text">{failure.message}</span>
        {failure.hint && <span class="rmm-hint"> {failure.hint}</span>}
      </span>
      <button type="button" class="rmm-button" aria-disabled={busy} onClick={() => failure.retry()}>
        Try again
      </button>
    </div>
  );
}
