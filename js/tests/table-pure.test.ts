import { expect, test } from "vitest";
import { fitting, inChunks, readRefused, refusal } from "../src/views/batch";
import { COLUMNS, firstColumns, layoutFor } from "../src/views/columns";
import { RowSlots } from "../src/views/row-slots";
import { nextSort, type Sort, sortRows } from "../src/views/row-sort";
import { stillThere, toggled, withAllOf, withRange } from "../src/views/selection";
import { row } from "./samples";

const ROWS = [
  row("model-10", { size: 5, status: "loaded", health: "degraded", memory: 9 }),
  row("Model-9", { size: 70, status: "error" }),
  row("änd", { size: 600, status: "not_downloaded", type: "caption_generator" }),
  row("zeta", { size: 5, status: "downloading" }),
];

function sorted(sort: Sort | null, before = ROWS): string[] {
  return sortRows(ROWS, sort, before).map(({ id }) => id);
}

test("ids are sorted as people write them, sizes as numbers, alike ones as the kernel has them", () => {
  expect(sorted({ key: "model", direction: "ascending" })).toEqual(["änd", "Model-9", "model-10", "zeta"]);
  expect(sorted({ key: "size", direction: "ascending" })).toEqual(["model-10", "zeta", "Model-9", "änd"]);
  expect(sorted({ key: "size", direction: "descending" })).toEqual(["änd", "Model-9", "model-10", "zeta"]);
  expect(sorted({ key: "status", direction: "ascending" })).toEqual(["änd", "zeta", "model-10", "Model-9"]);
  expect(sorted({ key: "health", direction: "ascending" })[0]).toBe("model-10");
  expect(sorted({ key: "type", direction: "ascending" })[0]).toBe("änd");
  expect(sorted({ key: "actions", direction: "ascending" })).toEqual(ROWS.map(({ id }) => id));
  expect(sortRows(ROWS, null, [])).toBe(ROWS);
});

test("a sort that goes from the former order gives what one from nothing gives", () => {
  const sort: Sort = { key: "size", direction: "ascending" };
  const before = sortRows(ROWS, sort, []);
  const changed = [row("new", { size: 6 }), ...ROWS.slice(1).map((each) => ({ ...each, size: 700 - each.size }))];
  const wanted = sortRows(changed, sort, []);
  expect(sortRows(changed, sort, before)).toEqual(wanted);
  expect(wanted.map(({ id }) => id)).toEqual(["new", "änd", "Model-9", "zeta"]);
});

test("a third click on a header is the kernel's order again", () => {
  const first = nextSort(null, "size");
  expect(first).toEqual({ key: "size", direction: "ascending" });
  const second = nextSort(first, "size");
  expect(second).toEqual({ key: "size", direction: "descending" });
  expect(nextSort(second, "size")).toBeNull();
  expect(nextSort(second, "model")).toEqual({ key: "model", direction: "ascending" });
});

test("ranges go both ways and add to what was chosen", () => {
  const one = toggled(new Set(), "zeta");
  expect([...withRange(one, ROWS, 2, 1)]).toEqual(["zeta", "Model-9", "änd"]);
  expect([...withRange(one, ROWS, 0, 0)]).toEqual(["zeta", "model-10"]);
  expect(toggled(one, "zeta").size).toBe(0);
  expect([...withAllOf(one, ROWS.slice(0, 1), true)]).toEqual(["zeta", "model-10"]);
  expect(withAllOf(one, ROWS, false).size).toBe(0);
});

test("a choice forgets models that go, and only those", () => {
  const chosen = new Set(["zeta", "elsewhere"]);
  expect(stillThere(chosen, ROWS, ROWS.slice(2))).toBe(chosen);
  expect([...stillThere(chosen, ROWS, ROWS.slice(0, 3))]).toEqual(["elsewhere"]);
});

test("the columns to begin with are those that were named, and the model", () => {
  expect([...firstColumns(["Status", "nonsense", "repo"])]).toEqual(["model", "repo", "status"]);
  expect(firstColumns(null).has("repo")).toBe(false);
  expect(firstColumns(null).size).toBe(7);
});

test("the fewer columns, the longer a table stays a table", () => {
  const few = COLUMNS.slice(0, 1);
  expect(layoutFor(COLUMNS, 200)).toBe("wide");
  expect(layoutFor(COLUMNS, 30)).toBe("stacked");
  expect(layoutFor(few, 30)).toBe("wide");
});

test("a command for several goes to those that it fits, a thousand at a time", () => {
  const rows = [row("a"), row("b", { actions: ["load"], pinned: true })];
  expect(fitting("download", rows).map(({ id }) => id)).toEqual(["a"]);
  expect(fitting("unpin", rows).map(({ id }) => id)).toEqual(["b"]);
  expect(fitting("pin", rows).map(({ id }) => id)).toEqual(["a"]);
  const chunks = inChunks(Array.from({ length: 2_001 }, (_, at) => String(at)));
  expect(chunks.map(({ length }) => length)).toEqual([1_000, 1_000, 1]);
});

test("refusals become one message that stays short", () => {
  const error = (message: string) => ({ type: "E", message, hint: "Do this." });
  expect(refusal("Load", 3, {})).toBeNull();
  expect(refusal("Load", 3, { a: error("It does not fit.") })).toEqual({
    message: "Load: 1 of 3 refused. a: It does not fit.",
    hint: "Do this.",
    guide: "",
  });
  const guided = { ...error("No."), guide: "LoadError" };
  expect(refusal("Load", 3, { a: guided, b: error("No.") })?.guide).toBe("LoadError");
  const many = Object.fromEntries(["a", "b", "c", "d", "e"].map((id) => [id, error("No.")]));
  expect(refusal("Load", 5, many)?.message).toBe("Load: 5 of 5 refused. a: No. b: No. c: No. And 2 more.");
  expect(readRefused(null)).toEqual({});
  expect(readRefused({ begun: [], refused: 3 })).toEqual({});
});

test("a row that comes into sight takes the element of one that has left, the others keep theirs", () => {
  const slots = new RowSlots();
  const first = slots.assign(["a", "b", "c"], true);
  expect(new Set(first).size).toBe(3);
  const [, b, c] = first;
  expect(slots.assign(["b", "c", "d"], true)).toEqual([b, c, first[0]]);
  const swapped = slots.assign(["e", "f", "g"], true);
  expect(new Set(swapped)).toEqual(new Set(first));
  expect(slots.assign(["g"], true)).toEqual([swapped[2]]);
  expect(new Set(slots.assign(["g", "h", "i"], true)).size).toBe(3);
});

test("while the focus is in a row nobody takes another's element", () => {
  const slots = new RowSlots();
  const [a, b] = slots.assign(["a", "b"], true);
  const [c, stays] = slots.assign(["c", "b"], false);
  expect(stays).toBe(b);
  expect([a, b]).not.toContain(c);
});
