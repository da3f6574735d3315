/** What stands where there is nothing to show, and what to do about it. */
import { CopyLine } from "./copy-line";
import { DialogButton } from "./dialog-button";
import type { ViewState } from "./state";

/** The first run: three lines from nothing to a model. */
export function NoModels({ state }: { state: ViewState }) {
  return (
    <div class="rmm-first-run">
      <p class="rmm-first-run-head">No models yet</p>
      <ol>
        <li>
          Find one:{" "}
          <DialogButton state={state} opens={{ kind: "search" }}>
            Browse the Hub
          </DialogButton>
        </li>
        <li>
          Or add one by its name, in the box above or in a cell: <CopyLine line="%rmm add owner/name" />
        </li>
        <li>Then press Download, and Load.</li>
      </ol>
    </div>
  );
}

/** All models are filtered away. */
export function NothingMatches({ onClear }: { onClear: () => void }) {
  return (
    <p class="rmm-empty">
      No model matches the filter.{" "}
      <button type="button" class="rmm-button" onClick={onClear}>
        Show all
      </button>
    </p>
  );
}

/** A view of downloads that has none. */
export function NoDownloads() {
  return (
    <p class="rmm-empty">
      No downloads. Start one with <code class="rmm-code">manager.download_model(…)</code> or in the panel.
    </p>
  );
}
