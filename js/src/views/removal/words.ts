/** What the removal dialog says. Pure. */
import type { Row } from "../../protocol/schema";
import { cutText } from "../cut-text";
import { formatBytes } from "../format";
import type { Removal } from "./remove-models";

const LONGEST_ID = 120;

/** `alpha`, or `3 models`. */
export function nameOf(ids: readonly string[]): string {
  const [first] = ids;
  return ids.length === 1 && first !== undefined ? cutText(first, LONGEST_ID) : `${ids.length} models`;
}

/** What else the removal does, by what the models are doing: `2 of them are loaded and are unloaded first.` */
export function consequences(rows: readonly Row[], ids: readonly string[]): string[] {
  const wanted = new Set(ids);
  const chosen = rows.filter((row) => wanted.has(row.id));
  const loaded = chosen.filter((row) => row.status === "loaded" || row.status === "loading").length;
  const moving = chosen.filter((row) => row.status === "downloading").length;
  const sentences: string[] = [];
  if (loaded > 0) {
    sentences.push(
      ids.length === 1 ? "It is loaded. It is unloaded first." : `${some(loaded)} loaded and unloaded first.`,
    );
  }
  if (moving > 0) {
    sentences.push(
      ids.length === 1 ? "It is being downloaded. That ends." : `${some(moving)} being downloaded. That ends.`,
    );
  }
  return sentences;
}

function some(count: number): string {
  return count === 1 ? "1 of them is" : `${count} of them are`;
}

/** While it runs: `Removing 40 of 120…`. */
export function progressOf(removal: Removal): string {
  const verb = removal.files ? "Deleting" : "Removing";
  return removal.total === 1 ? `${verb}…` : `${verb}… ${removal.done} of ${removal.total} done`;
}

/** When it is done: `3 models deleted. Freed 1.20 GB.` */
export function resultOf(removal: Removal, ids: readonly string[]): string {
  if (!removal.files) {
    return `${nameOf(ids)} removed from the list. The files stay.`;
  }
  return `${nameOf(ids)} deleted. Freed ${formatBytes(removal.freed)}.`;
}
