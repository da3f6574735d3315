/** The head of the panel: how many models, memory against the budget, downloads, and the ways to Hub and disk. */
import type { Summary } from "../protocol/schema";
import { DialogButton } from "./dialog-button";
import { formatBytes, summaryWords } from "./format";
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
      {summary && summary.budget > 0 && <Memory summary={summary} />}
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

const NEARLY_FULL = 0.9;

function Memory({ summary: { memory, budget } }: { summary: Summary }) {
  const share = memory / budget;
  const text = `${formatBytes(memory)} of ${formatBytes(budget)}`;
  const level = share > 1 ? "over" : share > NEARLY_FULL ? "high" : undefined;
  const note = { over: ", over the budget", high: ", nearly full" };
  return (
    <div class="rmm-memory">
      <span class="rmm-small">
        Memory: {text}
        {level && note[level]}
      </span>
      <div
        class="rmm-meter"
        role="meter"
        aria-label="Memory of loaded models"
        aria-valuemin={0}
        aria-valuemax={budget}
        aria-valuenow={Math.min(memory, budget)}
        aria-valuetext={level ? text + note[level] : text}
        data-level={level}
      >
        <div class="rmm-meter-fill" style={{ width: `${Math.min(1, share) * 100}%` }} />
      </div>
    </div>
  );
}
