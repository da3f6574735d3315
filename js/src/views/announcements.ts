/** What a screen reader is told: state changes only, never progress. Pure. */
import type { Row } from "../protocol/schema";
import { statusWords } from "./format";

const MOST = 3;

/** One sentence about what changed from `before` to `after`; empty where nothing worth saying did. */
export function announce(before: readonly Row[], after: readonly Row[]): string {
  const known = new Map(before.map((row) => [row.id, row]));
  const changes: string[] = [];
  for (const row of after) {
    const old = known.get(row.id);
    if (old && old !== row) {
      changes.push(...describe(old, row));
    }
  }
  const rest = changes.length - MOST;
  const said = changes.slice(0, MOST).join("; ");
  return rest > 0 ? `${said}; and ${rest} more` : said;
}

function describe(old: Row, row: Row): string[] {
  const changes: string[] = [];
  if (statusWords(old) !== statusWords(row)) {
    changes.push(row.error ? `${row.id}: ${statusWords(row)}: ${row.error}` : `${row.id}: ${statusWords(row)}`);
  }
  if (old.health !== row.health && row.health !== "unknown") {
    changes.push(`${row.id}: ${row.health}`);
  }
  return changes;
}
