/** All rows in the form of one text, as the kernel sends them at first. Pure. */
import type { PackedRows } from "../protocol/schema";

/** The rows in a text; none where it is no such text. What they hold is for the reader of rows to check. */
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
  const { fields, usual } = packed;
  const own = fields.length - usual.length;
  return packed.rows.filter(Array.isArray).map((values) => {
    const row: Record<string, unknown> = {};
    for (let at = 0; at < fields.length; at += 1) {
      const name = fields[at];
      if (name !== "__proto__") {
        row[String(name)] = at < values.length ? values[at] : usual[at - own];
      }
    }
    return row;
  });
}
