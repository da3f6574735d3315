/** What a deletion frees, from `details` of one model or `usage` of several, in words. Pure. */
import { formatBytes } from "../format";

/** Sizes in bytes. `shared` is what other models use, too, and stays. */
export interface Bytes {
  readonly freeable: number;
  readonly shared: number;
  readonly unfinished: number;
  /** More may come free: files that several of these models share, and nobody else. */
  readonly atLeast: boolean;
}

/** From the answer to `details` of one model; null where it is none. */
export function bytesOfDetails(answer: unknown): Bytes | null {
  const details = record(answer);
  if (!details) {
    return null;
  }
  const freeable = size(details.freeable);
  const shared = Math.max(0, size(details.size_on_disk) - freeable);
  return { freeable, shared, unfinished: size(details.unfinished), atLeast: false };
}

/** The sum over some models of the answer to `usage`; models that it does not name have nothing on disk. */
export function bytesOfUsage(answer: unknown, ids: readonly string[]): Bytes | null {
  const models = record(answer)?.models;
  if (!Array.isArray(models)) {
    return null;
  }
  const wanted = new Set(ids);
  let freeable = 0;
  let shared = 0;
  let unfinished = 0;
  for (const model of models.map(record)) {
    if (model && typeof model.id === "string" && wanted.has(model.id)) {
      freeable += size(model.freeable);
      shared += Math.max(0, size(model.bytes) - size(model.freeable));
      unfinished += size(model.unfinished);
    }
  }
  return { freeable, shared, unfinished, atLeast: shared > 0 && ids.length > 1 };
}

/** With what the answer to `removal` says of all of them together, where it says anything. */
export function withTogether(bytes: Bytes | null, answer: unknown): Bytes | null {
  const freed = record(answer)?.freed;
  if (!bytes || typeof freed !== "number") {
    return bytes;
  }
  const freeable = size(freed);
  return { ...bytes, freeable, shared: Math.max(0, bytes.freeable + bytes.shared - freeable), atLeast: false };
}

/** One sentence or two: `Frees 1.20 GB. 300 MB are shared with other models and stay.` */
export function effectOf(bytes: Bytes): string {
  const { freeable, shared, unfinished, atLeast } = bytes;
  const parts: string[] = [];
  if (freeable > 0) {
    parts.push(`Frees ${atLeast ? "at least " : ""}${formatBytes(freeable)}.`);
  } else if (shared === 0 && unfinished === 0) {
    return "There are no files on disk.";
  }
  if (shared > 0) {
    const others = atLeast ? "shared with each other or with other models" : "shared with other models";
    parts.push(`${formatBytes(shared)} are ${others}${atLeast ? ": what still is needed stays." : " and stay."}`);
  }
  if (unfinished > 0) {
    parts.push(`What there is of unfinished files (${formatBytes(unfinished)}) goes, too.`);
  }
  return parts.join(" ");
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
}

function size(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}
