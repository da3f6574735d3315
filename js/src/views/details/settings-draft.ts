/** What the user has typed into the settings, what it means, and what is wrong with it. Pure. */
import type { Setting } from "../../protocol/schema";

/** What stands in one field. `null` is the model's own choice; texts are as typed. A size has two. */
export type Draft = null | boolean | string | readonly [string, string];

/** The fields that the user touched, by key. */
export type Drafts = Readonly<Record<string, Draft>>;

/** What a field means: a value to send, or what is wrong with it. */
export type Reading = { readonly value: unknown } | { readonly problem: string };

const LONGEST_TEXT = 1_024;

/** What the field shows for a value. */
export function draftOf(setting: Setting, value: unknown): Draft {
  if (value === null && setting.optional) {
    return null;
  }
  switch (setting.kind) {
    case "flag":
      return value === true;
    case "size":
      return Array.isArray(value) && value.length === 2 ? [String(value[0]), String(value[1])] : ["", ""];
    default:
      return typeof value === "string" || typeof value === "number" ? String(value) : "";
  }
}

/** What stands in the field when the user wants another value than the model's own. */
export function ownDraft(setting: Setting): Draft {
  const start = setting.value ?? setting.default;
  return draftOf({ ...setting, optional: false }, start ?? (setting.kind === "choice" ? setting.choices[0] : null));
}

export function readDraft(setting: Setting, draft: Draft): Reading {
  if (draft === null) {
    return { value: null };
  }
  if (typeof draft === "boolean") {
    return { value: draft };
  }
  if (typeof draft !== "string") {
    const height = readNumber(setting, draft[0], "Height: ");
    const width = readNumber(setting, draft[1], "Width: ");
    if ("problem" in height) {
      return height;
    }
    return "problem" in width ? width : { value: [height.value, width.value] };
  }
  switch (setting.kind) {
    case "whole":
    case "number":
      return readNumber(setting, draft, "");
    case "choice":
      return setting.choices.includes(draft) ? { value: draft } : { problem: "Choose one of the list." };
    default:
      return readText(draft);
  }
}

/** The values that the user wants other than they are in force, and the problems; both by key. */
export function changesOf(
  settings: readonly Setting[],
  drafts: Drafts,
): { config: Record<string, unknown>; problems: Record<string, string> } {
  const config: [string, unknown][] = [];
  const problems: [string, string][] = [];
  for (const setting of settings) {
    const draft = own(drafts, setting.key);
    if (draft === undefined || isEqual(draft, draftOf(setting, setting.value))) {
      continue;
    }
    const reading = readDraft(setting, draft);
    if ("problem" in reading) {
      problems.push([setting.key, reading.problem]);
    } else if (!isEqual(reading.value, setting.value)) {
      config.push([setting.key, reading.value]);
    }
  }
  return { config: Object.fromEntries(config), problems: Object.fromEntries(problems) };
}

/** The drafts without those that say what is in force: they would look like changes once that is changed elsewhere. */
export function withoutSettled(settings: readonly Setting[], drafts: Drafts): Drafts {
  const { config, problems } = changesOf(settings, drafts);
  const open = Object.entries(drafts).filter(([key]) => Object.hasOwn(config, key) || Object.hasOwn(problems, key));
  return open.length === Object.keys(drafts).length ? drafts : Object.fromEntries(open);
}

/** A key of the kernel may be called "constructor": only what stands there itself counts. */
export function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** A value in words: `the model's own`, `480 × 640`, `yes`. */
export function valueWords(value: unknown): string {
  if (value === null || value === undefined) {
    return "the model's own";
  }
  if (typeof value === "boolean") {
    return value ? "yes" : "no";
  }
  return Array.isArray(value) ? value.map(String).join(" × ") : String(value);
}

/** Equality of values and of drafts. */
export function isEqual(one: unknown, other: unknown): boolean {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, at) => item === other[at]);
  }
  return one === other;
}

function readNumber(setting: Setting, typed: string, name: string): Reading {
  const text = typed.trim();
  const value = Number(text);
  const isWhole = setting.kind !== "number";
  if (text === "" || !Number.isFinite(value)) {
    return { problem: `${name}Give a ${isWhole ? "whole number" : "number"}.` };
  }
  if (isWhole && !Number.isSafeInteger(value)) {
    return { problem: `${name}It must be a whole number.` };
  }
  const { minimum, maximum } = setting;
  const isBelow = minimum !== null && value < minimum;
  const isAbove = maximum !== null && value > maximum;
  if (isBelow || isAbove) {
    return { problem: `${name}It must be ${rangeWords(minimum, maximum)}.` };
  }
  return { value };
}

function rangeWords(minimum: number | null, maximum: number | null): string {
  if (minimum !== null && maximum !== null) {
    return `from ${minimum} to ${maximum}`;
  }
  return minimum !== null ? `${minimum} or more` : `${maximum} or less`;
}

function readText(draft: string): Reading {
  if (draft.trim() === "") {
    return { problem: "It must not be empty." };
  }
  return draft.length > LONGEST_TEXT ? { problem: `At most ${LONGEST_TEXT} characters.` } : { value: draft };
}
