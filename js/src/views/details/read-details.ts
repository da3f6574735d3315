/** Reads the answers to `details` and `files`: of any shape, of any length, into what the drawer can show. Pure. */
import type { Details, FileLine, LogEntry, ProbePoint, Setting } from "../../protocol/schema";
import { cutText } from "../cut-text";

const LONGEST_WORD = 300;
const LONGEST_TEXT = 2_000;
const MOST_FILES = 5_000;
const MOST_LINES = 500;

const FILE_STATES = ["waiting", "downloading", "waiting_for_other", "verifying", "done", "left_out"] as const;
const HEALTHS = ["healthy", "degraded", "unhealthy", "unknown"] as const;
const KINDS = ["flag", "whole", "number", "text", "choice", "size"] as const;

/** The details, with a default for what is missing; null where the answer is none at all. */
export function readDetails(answer: unknown): Details | null {
  const it = record(answer);
  if (!it || typeof it.id !== "string") {
    return null;
  }
  return {
    id: it.id,
    revision: word(it.revision),
    commit: word(it.commit),
    licence: word(it.licence),
    tags: [...new Set(list(it.tags, MOST_LINES).map(word).filter(Boolean))],
    card: text(it.card),
    page: text(it.page),
    files: readFiles(it.files),
    size_on_disk: size(it.size_on_disk),
    unfinished: size(it.unfinished),
    freeable: size(it.freeable),
    loader: word(it.loader),
    device: word(it.device),
    placement: word(it.placement),
    memory: size(it.memory),
    need: size(it.need),
    keep_alive: number(it.keep_alive),
    loaded_at: word(it.loaded_at),
    last_used: word(it.last_used),
    probes: records(it.probes, readProbe),
    settings: records(it.settings, readSetting),
    story: list(it.story, MOST_LINES).map(text).filter(Boolean),
    events: records(it.events, readEvent),
  };
}

/** The lines of files; empty where the answer is no list of them. */
export function readFiles(answer: unknown): FileLine[] {
  return list(answer, MOST_FILES)
    .map(record)
    .filter((it) => it !== null)
    .map((it) => ({
      path: text(it.path),
      size: size(it.size),
      done: size(it.done),
      state: FILE_STATES.find((state) => state === it.state) ?? "waiting",
      note: text(it.note),
    }));
}

/** The newest lines where there are too many: they come oldest first. */
function records<T extends object>(value: unknown, read: (it: Record<string, unknown>) => T | null): T[] {
  const found: T[] = [];
  for (const item of Array.isArray(value) ? value.slice(-MOST_LINES) : []) {
    const it = record(item);
    const one = it && read(it);
    if (one) {
      found.push(one);
    }
  }
  return found;
}

function readProbe(it: Record<string, unknown>): ProbePoint {
  return {
    time: word(it.time),
    latency: size(it.latency),
    outcome: word(it.outcome),
    health: HEALTHS.find((health) => health === it.health) ?? "unknown",
    detail: text(it.detail),
  };
}

function readEvent(it: Record<string, unknown>): LogEntry {
  return {
    seq: size(it.seq),
    time: word(it.time),
    type: word(it.type),
    id: word(it.id),
    action: word(it.action),
    text: text(it.text),
  };
}

/** Null for a kind that this view does not know: better no field than a wrong one. */
function readSetting(it: Record<string, unknown>): Setting | null {
  const kind = KINDS.find((known) => known === it.kind);
  if (!kind || typeof it.key !== "string" || it.key.length > LONGEST_WORD) {
    return null;
  }
  return {
    key: it.key,
    kind,
    value: readValue(it.value),
    default: readValue(it.default),
    optional: it.optional === true,
    minimum: number(it.minimum),
    maximum: number(it.maximum),
    choices: list(it.choices, MOST_LINES).filter(
      (choice): choice is string => typeof choice === "string" && choice.length <= LONGEST_WORD,
    ),
    note: text(it.note),
    at_load: it.at_load === true,
  };
}

function readValue(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.length === 2 && value.every(Number.isFinite) ? value : null;
  }
  return typeof value === "string" ? text(value) : typeof value === "boolean" ? value : number(value);
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function list(value: unknown, most: number): unknown[] {
  return Array.isArray(value) ? value.slice(0, most) : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? cutText(value, LONGEST_TEXT) : "";
}

function word(value: unknown): string {
  return typeof value === "string" ? cutText(value, LONGEST_WORD) : "";
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function size(value: unknown): number {
  return Math.max(0, number(value) ?? 0);
}
