/** Reads the answer to `try`: of any shape, of any length, into what the drawer can show. Pure. */
import type { LabelledBox, ScoredLabel, TrialResult } from "../../protocol/schema";
import { cutText } from "../cut-text";

const LONGEST_LABEL = 300;
const LONGEST_TEXT = 30_000;
const MOST = 500;

const KINDS = ["labels", "boxes", "text", "similarity", "stopped"] as const;

/** The result, with a default for what is missing; null where the answer is none at all. */
export function readTrial(answer: unknown): Required<TrialResult> | null {
  const it = record(answer);
  const kind = KINDS.find((known) => known === it?.kind);
  if (!it || !kind) {
    return null;
  }
  return {
    kind,
    seconds: Math.max(0, number(it.seconds)),
    labels: list(it.labels).map(readLabel),
    boxes: list(it.boxes).map(readBox),
    more: Math.max(0, Math.floor(number(it.more))),
    text: text(it.text, LONGEST_TEXT),
    steps: list(it.steps).map((step) => text(step, LONGEST_TEXT)),
    similarity: Math.max(-1, Math.min(1, number(it.similarity))),
  };
}

function readLabel(value: unknown): ScoredLabel {
  const it = record(value) ?? {};
  return { label: text(it.label, LONGEST_LABEL), score: number(it.score) };
}

function readBox(value: unknown): LabelledBox {
  const it = record(value) ?? {};
  const [xmin, ymin, xmax, ymax] = [number(it.xmin), number(it.ymin), number(it.xmax), number(it.ymax)];
  return { ...readLabel(value), xmin, ymin, xmax, ymax };
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value.slice(0, MOST) : [];
}

function text(value: unknown, most: number): string {
  return typeof value === "string" ? cutText(value, most) : "";
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
