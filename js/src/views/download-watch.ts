/** How long a download took, as far as a view has seen it. Pure. */
import type { Progress, Row } from "../protocol/schema";

/** What a view has seen of one download: milliseconds of its clock, null where it has not seen that. */
export interface Watch {
  readonly status: Row["status"];
  readonly began: number | null;
  readonly ended: number | null;
}

/** The watch after a look at the row. Only a download that was seen to begin is timed. */
export function look(before: Watch | null, row: Row, progress: Progress | undefined, now: number): Watch {
  const { status } = row;
  if (before?.status === status) {
    return before;
  }
  if (status === "downloading") {
    const sawBegin = before !== null || (progress?.done ?? 0) === 0;
    return { status, began: sawBegin ? now : null, ended: null };
  }
  if (status === "downloaded" && before?.status === "downloading") {
    return { status, began: before.began, ended: now };
  }
  const isKept = before !== null && (status === "loading" || status === "loaded" || status === "downloaded");
  return { status, began: isKept ? before.began : null, ended: isKept ? before.ended : null };
}

/** Seconds from begin to end, null where they are not known. */
export function secondsOf(watch: Watch | null): number | null {
  return watch?.began != null && watch.ended !== null ? (watch.ended - watch.began) / 1000 : null;
}
