/** Commands for several models: which fit, and what to say where some were refused. Pure. */
import type { Action, CommandError, Many, Row } from "../protocol/schema";

/** The most ids that the kernel takes in one command. */
export const MOST_IDS = 1000;

export type BatchCommand =
  | Extract<Action, "download" | "resume" | "pause" | "cancel" | "load" | "unload">
  | "pin"
  | "unpin";

export const BATCH_COMMANDS: readonly BatchCommand[] = [
  "download",
  "resume",
  "pause",
  "cancel",
  "load",
  "unload",
  "pin",
  "unpin",
];

/** The rows that a command means something for. */
export function fitting(command: BatchCommand, rows: readonly Row[]): readonly Row[] {
  switch (command) {
    case "pin":
      return rows.filter((row) => !row.pinned);
    case "unpin":
      return rows.filter((row) => row.pinned);
    default:
      return rows.filter((row) => row.actions.includes(command));
  }
}

export function inChunks(ids: readonly string[]): string[][] {
  const count = Math.ceil(ids.length / MOST_IDS);
  return Array.from({ length: count }, (_, at) => ids.slice(at * MOST_IDS, (at + 1) * MOST_IDS));
}

/** What a `Many` answer refused. */
export function readRefused(answer: unknown): Record<string, CommandError> {
  const refused = (answer as Partial<Many> | null | undefined)?.refused;
  return typeof refused === "object" && refused !== null ? refused : {};
}

const MOST_TOLD = 3;

/** What was refused in one message with the first one's hint and name in the guide; null where nothing was. */
export function refusal(
  label: string,
  asked: number,
  refused: Readonly<Record<string, CommandError>>,
): { message: string; hint: string; guide: string } | null {
  const all = Object.entries(refused);
  if (all.length === 0) {
    return null;
  }
  const told = all.slice(0, MOST_TOLD).map(([id, error]) => `${id}: ${error.message}`);
  const rest = all.length - told.length;
  const more = rest > 0 ? ` And ${rest} more.` : "";
  const [, first] = all[0] as [string, CommandError];
  const message = `${label}: ${all.length} of ${asked} refused. ${told.join(" ")}${more}`;
  return { message, hint: first.hint, guide: first.guide ?? "" };
}
