/** The memory of all loaded models against the budget, as words and as a bar. */
import type { Summary } from "../protocol/schema";
import { formatBytes } from "./format";

const NEARLY_FULL = 0.9;

export function MemoryMeter({ summary: { memory, budget } }: { summary: Summary }) {
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
