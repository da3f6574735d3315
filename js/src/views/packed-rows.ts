/** All rows in the form of one text, as the kernel sends them at first. Pure. */
import type { PackedRows } from "../protocol/schema";
import { cutText, withCutTexts } from "./cut-text";

/**
 * The rows in a text, their texts bounded; none where it is no such text. What else they hold is for the reader of rows
 * to check.
 */
export function unpackRows(text: string): unknown[] {
  let packed: Partial<PackedRows> | null;
  try {
    packed = JSON.parse(text);
  } catch {
    return [];
  }
  if (!packed || !Array.isArray(packed.fields) || !Array.isArray(packed.usual) || !Array.isArray(packed.rows)) {
    return [];
  }
  const { usual, rows } = packed;
  const names = packed.fields.map(String);
  if (names.includes("__proto__")) {
    return [];
  }
  const own = names.length - usual.length;
  // A module runs for the first time here, and copying a record is quicker than setting each of its fields.
  const template = withCutTexts(Object.fromEntries(names.map((name, at) => [name, usual[at - own]])));
  const idAt = names.indexOf("id");
  return rows.filter(Array.isArray).map((values) => {
    const row: Record<string, unknown> = { ...template };
    for (let at = Math.min(values.length, names.length) - 1; at >= 0; at -= 1) {
      const value = values[at];
      row[names[at] as string] = typeof value === "string" && at !== idAt ? cutText(value) : value;
    }
    return row;
  });
}
