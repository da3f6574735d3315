/** The head of the panel: how many models, memory against the budget, downloads, and the ways to Hub and disk. */
import { DialogButton } from "./dialog-button";
import { formatBytes, summaryWords } from "./format";
import { MemoryMeter } from "./memory-meter";
import type { ViewState } from "./state";

export function SummaryHeader({ state }: { state: ViewState }) {
  const summary = state.summary.value;
  return (
    <div class="rmm-summary">
      {summary && (
        <div class="rmm-figures">
          {summaryWords(summary).map((part, at, all) => (
            <span key={part} class="rmm-figure">
              <span>{part}</span>
              {/* With the downloads, which are the last. */}
              {at === all.length - 1 && summary.rate > 0 && (
                <>
                  {" "}
                  <span class="rmm-rate">{formatBytes(summary.rate)}/s</span>
                </>
              )}
            </span>
          ))}
        </div>
      )}
      {summary && summary.budget > 0 && <MemoryMeter summary={summary} />}
      <div class="rmm-summary-ways">
        <DialogButton state={state} opens={{ kind: "search" }}>
          Browse the Hub
        </DialogButton>
        <DialogButton state={state} opens={{ kind: "usage" }}>
          Disk use
        </DialogButton>
      </div>
    </div>
  );
}
