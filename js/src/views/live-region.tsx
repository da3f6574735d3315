/** Tells screen readers what changed, once the current speech is over. */
import type { ViewState } from "./state";

export function LiveRegion({ state }: { state: ViewState }) {
  return (
    <div class="rmm-unseen" role="status" aria-live="polite">
      {state.announcement.value}
    </div>
  );
}
