/** Numbers and states in words. Pure. */
import type { ModelStatus, ModelType, Progress, Row, Summary } from "../protocol/schema";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Bytes in decimal units, three digits: `1.25 GB`. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes) || bytes < 0) {
    return "unknown";
  }
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Seconds as `45 s`, `3 min 20 s` or `2 h 5 min`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) {
    return `${whole} s`;
  }
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) {
    return `${minutes} min ${whole % 60} s`;
  }
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function formatPercent(percent: number): string {
  // Rounded down: 100 % is said when everything is there, not before.
  return `${Math.floor(clampPercent(percent))} %`;
}

export function clampPercent(percent: number): number {
  return Number.isFinite(percent) ? Math.min(100, Math.max(0, percent)) : 0;
}

/** `caption_generator` as `caption generator`. */
export function words(name: ModelType | ModelStatus | string): string {
  return String(name).replaceAll("_", " ");
}

const TELLING_STAGES = new Set([
  "queued",
  "resolving",
  "verifying",
  "paused",
  "partial",
  "cancelling",
  "discarding",
  "waiting",
  "unloading",
]);

/** The status word, with the fine state where it adds something: `downloading, paused`. */
export function statusWords(row: Row): string {
  const status = words(row.status);
  return TELLING_STAGES.has(row.stage) ? `${status}, ${row.stage}` : status;
}

const PHASES: Record<Progress["phase"], string> = {
  queued: "queued",
  resolving: "looking up files",
  downloading: "downloading",
  verifying: "verifying",
  finishing: "finishing",
  paused: "paused",
  waiting_for_other: "another program is downloading it",
  done: "done",
};

/** What a progress bar says, without the current file: `42 %, 4.2 MB of 10.0 MB, 1.1 MB/s, 5 s left`. */
export function progressWords(progress: Progress): string {
  const parts = [formatPercent(progress.percent)];
  if (progress.phase !== "downloading") {
    parts.push(PHASES[progress.phase] ?? words(progress.phase));
  }
  if (progress.place > 0) {
    parts.push(ordinal(progress.place));
  }
  if (progress.total > 0) {
    parts.push(`${formatBytes(progress.done)} of ${formatBytes(progress.total)}`);
  }
  if (progress.rate > 0) {
    parts.push(`${formatBytes(progress.rate)}/s`);
  }
  if (progress.eta !== null && progress.eta !== undefined) {
    parts.push(`${formatDuration(progress.eta)} left`);
  }
  return parts.join(", ");
}

/** A place in words: `1st`, `22nd`, `113th`. */
export function ordinal(number: number): string {
  const isTeen = number % 100 > 10 && number % 100 < 14;
  return `${number}${(isTeen ? undefined : ["th", "st", "nd", "rd"][number % 10]) ?? "th"}`;
}

/** The head line's parts: models, downloaded, loaded with memory, downloads. */
export function summaryWords(summary: Summary): string[] {
  const loaded =
    summary.memory > 0 ? `${summary.loaded} loaded (${formatBytes(summary.memory)})` : `${summary.loaded} loaded`;
  const queued = summary.queued > 0 ? ` (+${summary.queued} queued)` : "";
  return [
    count(summary.models, "model"),
    `${summary.downloaded} downloaded`,
    loaded,
    `${count(summary.downloads, "download")} running${queued}`,
  ];
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
