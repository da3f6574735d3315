/** Progress bars: how far a download is, or that something moves. */
import type { ReadonlySignal } from "@preact/signals";
import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
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

export function ProgressBar({ row, progress }: BarProps) {
  if (row.status === "loading") {
    return (
      <div class="rmm-bar" role="progressbar" aria-label={row.id} aria-valuetext={statusWords(row)} data-endless>
        <div class="rmm-bar-done" />
      </div>
    );
  }
  return <Download row={row} progress={progress} />;
}

/**
 * A download's bar with its figures and current file.
 *
 * The figures move ten times a second, in a hundred bars at once. So they are bound to the nodes that show them:
 * nothing is drawn again, and a bar whose figures stay the same is not touched.
 */
function Download({ row, progress }: BarProps) {
  // The row changes rarely, but its words stand where there is no progress yet.
  const words = useSignal("");
  words.value = statusWords(row);
  const current = useComputed(() => progress.value[row.id]);
  const percent = useComputed(() => Math.floor(clampPercent(current.value?.percent ?? 0)));
  const text = useComputed(() => (current.value ? progressWords(current.value) : words.value));
  const phase = useComputed(() => current.value?.phase);
  const file = useComputed(() => fileWords(current.value));
  const width = useComputed(() => clampPercent(current.value?.percent ?? 0));
  const fill = useRef<HTMLDivElement>(null);
  useSignalEffect(() => {
    // A transform, because a new width would lay the row out again.
    fill.current?.style.setProperty("transform", `scaleX(${width.value / 100})`);
  });
  return (
    <div class="rmm-progress" data-phase={phase}>
      <div
        class="rmm-bar"
        role="progressbar"
        aria-label={row.id}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
        aria-valuetext={text}
      >
        <div ref={fill} class="rmm-bar-done" />
      </div>
      <div class="rmm-small" title={file}>
        <span>{text}</span>
        <span class="rmm-file">{file}</span>
      </div>
    </div>
  );
}

/** The file that is being fetched and which one it is; a note names its file itself. */
function fileWords(progress: Progress | undefined): string {
  if (!progress) {
    return "";
  }
  if (progress.note || !progress.file) {
    return progress.note;
  }
  const { file, files_done, files_total } = progress;
  return files_total > 1 ? `${file} (${Math.min(files_done + 1, files_total)} of ${files_total})` : file;
}
