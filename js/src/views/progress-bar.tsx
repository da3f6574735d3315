/** Progress bars: how far a download is, or that something moves. */
import type { ReadonlySignal } from "@preact/signals";
import { useComputed } from "@preact/signals";
import type { Progress, Row } from "../protocol/schema";
import { clampPercent, progressWords, statusWords } from "./format";

const MOVING: ReadonlySet<Row["status"]> = new Set(["downloading", "loading"]);
const STOPPED: ReadonlySet<Row["stage"]> = new Set(["paused", "partial"]);

/** True for a row that shows a bar: something moves, or a download has stopped midway. */
export function hasBar(row: Row): boolean {
  return MOVING.has(row.status) || STOPPED.has(row.stage) || row.actions.includes("discard");
}

interface BarProps {
  readonly row: Row;
  readonly progress: ReadonlySignal<Readonly<Record<string, Progress>>>;
}

/** The bar of a moving row with its figures and current file; redrawn alone when only the figures change. */
export function ProgressBar({ row, progress }: BarProps) {
  const current = useComputed(() => progress.value[row.id]).value;
  if (row.status === "loading") {
    return (
      <div class="rmm-bar" role="progressbar" aria-label={row.id} aria-valuetext={statusWords(row)} data-endless />
    );
  }
  const percent = clampPercent(current?.percent ?? 0);
  const text = current ? progressWords(current) : statusWords(row);
  const file = current?.note || current?.file || ""; // a note names its file
  return (
    <div class="rmm-progress">
      <div
        class="rmm-bar"
        role="progressbar"
        aria-label={row.id}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.floor(percent)}
        aria-valuetext={text}
      >
        <div class="rmm-bar-done" style={{ width: `${percent}%` }} />
      </div>
      <div class="rmm-small" title={file || undefined}>
        {text}
        {file && <span class="rmm-file"> {file}</span>}
      </div>
    </div>
  );
}
