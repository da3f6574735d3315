import { expect, test } from "vitest";
import { announce } from "../src/views/announcements";
import { formatBytes, formatDuration, formatPercent, ordinal, progressWords, statusWords } from "../src/views/format";
import { HEADER, nextIndex, stepInRow } from "../src/views/grid-keys";
import { type Filter, filterRows, NO_FILTER } from "../src/views/row-filter";
import { scrollTopFor, visibleRange } from "../src/views/windowing";
import { progress, row } from "./samples";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1_000, "1.00 kB"],
  [12_345, "12.3 kB"],
  [999_600, "1.00 MB"],
  [1_250_000_000, "1.25 GB"],
  [-1, "unknown"],
  [Number.NaN, "unknown"],
])("%d bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0.4, "0 s"],
  [59.4, "59 s"],
  [200, "3 min 20 s"],
  [7_500, "2 h 5 min"],
])("%d seconds are %s", (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

test("100 % is said only when all is there", () => {
  expect(formatPercent(99.99)).toBe("99 %");
  expect(formatPercent(100)).toBe("100 %");
  expect(formatPercent(Number.NaN)).toBe("0 %");
  expect(formatPercent(180)).toBe("100 %");
});

test("phases and stages are words", () => {
  expect(progressWords(progress({ phase: "waiting_for_other", total: 0, rate: 0, eta: null }))).toBe(
    "42 %, another program is downloading it",
  );
  expect(statusWords(row("a", { status: "downloading", stage: "paused" }))).toBe("downloading, paused");
  expect(statusWords(row("a", { stage: "partial" }))).toBe("not downloaded, partial");
  expect(statusWords(row("a", { stage: "discarding" }))).toBe("not downloaded, discarding");
  expect(statusWords(row("a"))).toBe("not downloaded");
});

test.each([
  [1, "1st"],
  [2, "2nd"],
  [3, "3rd"],
  [4, "4th"],
  [11, "11th"],
  [12, "12th"],
  [13, "13th"],
  [21, "21st"],
  [112, "112th"],
  [1_003, "1003rd"],
])("place %d is %s", (place, text) => {
  expect(ordinal(place)).toBe(text);
});

test("a queued download says its place", () => {
  const queued = progress({ phase: "queued", percent: 0, done: 0, rate: 0, eta: null, place: 3 });
  expect(progressWords(queued)).toBe("0 %, queued, 3rd, 0 B of 10.0 MB");
});

test("every word of the filter must occur", () => {
  const rows = [row("bert", { repo: "org/bert-tiny" }), row("vit", { type: "classification_model" })];
  const found = (text: string) => filterRows(rows, { ...NO_FILTER, text }).map(({ id }) => id);
  expect(filterRows(rows, { ...NO_FILTER, text: "  " })).toBe(rows);
  expect(found("TINY bert")).toEqual(["bert"]);
  expect(found("classification")).toEqual(["vit"]);
  expect(found("bert vit")).toEqual([]);
});

test("type and status filter as well, together with words", () => {
  const rows = [
    row("a", { type: "detection_model", status: "loaded" }),
    row("b", { type: "detection_model" }),
    row("c", { status: "loaded" }),
  ];
  const found = (changes: Partial<Filter>) => filterRows(rows, { ...NO_FILTER, ...changes }).map(({ id }) => id);
  expect(found({ type: "detection_model" })).toEqual(["a", "b"]);
  expect(found({ status: "loaded" })).toEqual(["a", "c"]);
  expect(found({ type: "detection_model", status: "loaded" })).toEqual(["a"]);
  expect(found({ type: "detection_model", text: "demo/b" })).toEqual(["b"]);
});

test("small tables are drawn whole, large ones around the visible part", () => {
  const viewport = { top: 5_000, height: 400, rowHeight: 50 };
  expect(visibleRange(50, viewport)).toEqual({ start: 0, end: 50 });
  expect(visibleRange(200, viewport)).toEqual({ start: 99, end: 110 });
  expect(visibleRange(10_000, viewport)).toEqual({ start: 99, end: 110 });
  expect(visibleRange(10_000, { ...viewport, top: 0 })).toEqual({ start: 0, end: 10 });
  const end = visibleRange(10_000, { ...viewport, top: 10_000 * 50 });
  expect(end.end).toBe(10_000);
  expect(visibleRange(300, { ...viewport, top: 1e9 }).end).toBe(300);
});

test("scrolling moves no further than needed", () => {
  const viewport = { top: 500, height: 400, rowHeight: 50 };
  expect(scrollTopFor(12, viewport)).toBe(500);
  expect(scrollTopFor(2, viewport)).toBe(100);
  expect(scrollTopFor(30, viewport)).toBe(1_150);
});

test("keys stop at the ends", () => {
  expect(nextIndex("ArrowDown", 9, 10, 5)).toBe(9);
  expect(nextIndex("ArrowUp", 3, 10, 5)).toBe(2);
  expect(nextIndex("ArrowUp", 0, 10, 5)).toBe(HEADER);
  expect(nextIndex("ArrowUp", HEADER, 10, 5)).toBe(HEADER);
  expect(nextIndex("ArrowDown", HEADER, 10, 5)).toBe(0);
  expect(nextIndex("ArrowDown", HEADER, 0, 5)).toBe(HEADER);
  expect(nextIndex("PageDown", 1, 10, 5)).toBe(6);
  expect(nextIndex("PageUp", 3, 10, 5)).toBe(0);
  expect(nextIndex("x", 3, 10, 5)).toBeNull();
  expect(stepInRow("ArrowRight", 1, 2)).toBe(1);
  expect(stepInRow("ArrowLeft", -1, 2)).toBe(-1);
  expect(stepInRow("ArrowRight", -1, 0)).toBe(-1);
  expect(stepInRow("ArrowLeft", 0, 2, true)).toBe(1);
});

test("announcements name what changed and stay short", () => {
  const before = ["a", "b", "c", "d", "e"].map((id) => row(id));
  expect(announce(before, before)).toBe("");
  expect(announce([], before)).toBe("");
  const failed = row("a", { status: "error", stage: "error", error: "Disk full." });
  expect(announce(before, [failed, ...before.slice(1)])).toBe("a: error: Disk full.");
  const after = before.map(({ id }) => row(id, { status: "downloaded", stage: "downloaded" }));
  expect(announce(before, after.slice(0, 3))).toBe("a: downloaded; b: downloaded; c: downloaded");
  expect(announce(before, [...after.slice(0, 4), failed])).toBe("5 models changed: 4 downloaded, 1 error");
  const sick = row("a", { health: "unhealthy" });
  expect(announce(before, [sick])).toBe("a: unhealthy");
});
