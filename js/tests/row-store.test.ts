import { expect, test, vi } from "vitest";
import type { Row, RowChanges } from "../src/protocol/schema";
import { RowStore } from "../src/views/row-store";
import { FakeHost } from "./fake-host";
import { progress, row } from "./samples";

const LOADED = { status: "loaded", stage: "loaded" } as const;

function storeOf(host: FakeHost): RowStore {
  return new RowStore(host, new AbortController().signal);
}

function ids(store: RowStore): string[] {
  return store.rows.value.map(({ id }) => id);
}

/** What the kernel sends; a copy, because what travels is JSON. */
function tell(host: FakeHost, changes: RowChanges): void {
  host.set("_changes", JSON.parse(JSON.stringify(changes)));
}

function hostOf(rows: readonly Row[], seq = 0): FakeHost {
  return new FakeHost({ _rows: rows, _rows_seq: seq });
}

test("changed rows are replaced, new ones come last, removed ones go, the others stay the same objects", () => {
  const [a, b, c] = [row("a"), row("b"), row("c")];
  const host = hostOf([a, b, c]);
  const store = storeOf(host);
  tell(host, { seq: 1, changed: [row("b", LOADED), row("d")] });
  expect(ids(store)).toEqual(["a", "b", "c", "d"]);
  expect(store.rows.value[0]).toBe(a);
  expect(store.rows.value[1]?.status).toBe("loaded");
  expect(store.rows.value[2]).toBe(c);
  tell(host, { seq: 2, removed: ["a"] });
  expect(ids(store)).toEqual(["b", "c", "d"]);
  tell(host, { seq: 3, changed: [row("e")], order: ["e", "d", "c", "b"] });
  expect(ids(store)).toEqual(["e", "d", "c", "b"]);
  tell(host, { seq: 4, changed: [row("c", LOADED)] });
  expect(store.rows.value[2]?.status).toBe("loaded");
  expect(host.commands).toEqual([]);
});

test("rows that come anew but are the same keep their identity, and nothing is redrawn", () => {
  const host = hostOf([row("a"), row("b")]);
  const store = storeOf(host);
  const before = store.rows.value;
  host.set("_rows", [row("a"), row("b")]);
  expect(store.rows.value).toBe(before);
  host.set("_rows", [row("a"), row("b", { actions: ["download", "repair"] })]);
  expect(store.rows.value[0]).toBe(before[0]);
  expect(store.rows.value[1]).not.toBe(before[1]);
});

test("changes that the rows hold already are not applied again", () => {
  const host = hostOf([row("a", LOADED)], 7);
  host.set("_changes", { seq: 7, changed: [row("a")] });
  const store = storeOf(host);
  expect(store.rows.value[0]?.status).toBe("loaded");
  tell(host, { seq: 6, changed: [row("a")], removed: ["a"] });
  expect(store.rows.value[0]?.status).toBe("loaded");
  expect(host.commands).toEqual([]);
});

test("rows of an older number than what was seen are not taken", () => {
  const host = hostOf([row("a")]);
  const store = storeOf(host);
  tell(host, { seq: 1, changed: [row("a", LOADED)] });
  host.set("_rows", [row("a")]);
  expect(store.rows.value[0]?.status).toBe("loaded");
  host.set("_rows_seq", 1);
  expect(store.rows.value[0]?.status).toBe("not_downloaded");
});

test("after a gap what is known is shown, all rows are asked for once, and later changes are kept", async () => {
  const host = hostOf([row("a"), row("b")]);
  const store = storeOf(host);
  tell(host, { seq: 2, changed: [row("b", LOADED)] });
  expect(store.rows.value[1]?.status).toBe("loaded");
  tell(host, { seq: 3, changed: [row("c")] });
  tell(host, { seq: 4, removed: ["a"] });
  expect(host.commands).toEqual([{ name: "rows", args: {} }]);
  // The kernel answered between the numbers 3 and 4; number 1 had brought x.
  host.reply(host.last("rows"), { seq: 3, rows: [row("x"), row("a"), row("b", LOADED), row("c")] });
  await vi.waitFor(() => expect(ids(store)).toEqual(["x", "b", "c"]));
  tell(host, { seq: 5, changed: [row("d")] });
  expect(ids(store)).toEqual(["x", "b", "c", "d"]);
  expect(host.commands.length).toBe(1);
});

test("where the answer fails, the next change asks again", async () => {
  const host = hostOf([row("a")]);
  const store = storeOf(host);
  tell(host, { seq: 2 });
  host.refuse(host.last("rows"), { type: "Error", message: "no", hint: "" });
  await new Promise((resolve) => setTimeout(resolve));
  tell(host, { seq: 3 });
  expect(host.commands.length).toBe(2);
  host.reply(host.last("rows"), { seq: "3", rows: 7 });
  await new Promise((resolve) => setTimeout(resolve));
  expect(ids(store)).toEqual(["a"]);
  tell(host, { seq: 4 });
  host.reply(host.last("rows"), { seq: 4, rows: [row("b")] });
  await vi.waitFor(() => expect(ids(store)).toEqual(["b"]));
});

test("all rows that come by themselves settle a gap; the answer that is still under way changes nothing", async () => {
  const host = hostOf([row("a")]);
  const store = storeOf(host);
  tell(host, { seq: 2 });
  host.set("_rows_seq", 9);
  host.set("_rows", [row("new")]);
  host.reply(host.last("rows"), { seq: 2, rows: [row("old")] });
  await new Promise((resolve) => setTimeout(resolve));
  expect(ids(store)).toEqual(["new"]);
  tell(host, { seq: 10, changed: [row("z")] });
  expect(ids(store)).toEqual(["new", "z"]);
  expect(host.commands.length).toBe(1);
});

test.each([
  [{ seq: 1, changed: 3, removed: "a", order: {} }],
  [{ seq: 1, changed: [null, 7, "x", {}, { id: 3, actions: [] }, { id: "x" }], removed: [null, 1] }],
  [{ seq: "1", changed: [row("x")] }],
  [[1, 2]],
  ["text"],
])("changes of the wrong shape change nothing: %j", (changes) => {
  const host = hostOf([row("a")]);
  const store = storeOf(host);
  host.set("_changes", changes);
  expect(ids(store)).toEqual(["a"]);
});

test("an order that forgets or repeats rows loses none", () => {
  const host = hostOf([row("a"), row("b"), row("c")]);
  const store = storeOf(host);
  tell(host, { seq: 1, order: ["c", "c", "nobody"] });
  expect(ids(store)).toEqual(["c", "a", "b"]);
});

test("a store that is over hears nothing any more", () => {
  const life = new AbortController();
  const host = hostOf([row("a")]);
  const store = new RowStore(host, life.signal);
  life.abort();
  expect(host.listeners).toBe(0);
  tell(host, { seq: 1, removed: ["a"] });
  expect(ids(store)).toEqual(["a"]);
});

test("whatever is lost or comes late, in the end the view has the kernel's rows", async () => {
  const seed = Date.now() % 1_000_000;
  const random = mulberry(seed);
  const pick = (count: number) => Math.floor(random() * count);
  for (let round = 0; round < 60; round += 1) {
    let truth: Row[] = Array.from({ length: pick(6) }, (_, at) => row(`m${at}`));
    let seq = 0;
    const host = hostOf(truth);
    const store = storeOf(host);
    let asked = 0;
    const answer = async () => {
      const command = host.sent.filter(({ name }) => name === "rows")[asked];
      if (command) {
        asked += 1;
        host.reply(command, JSON.parse(JSON.stringify({ seq, rows: truth })));
        await Promise.resolve();
      }
    };
    const step = (isLost: boolean) => {
      const before = truth;
      const removed = before.filter(() => random() < 0.1).map(({ id }) => id);
      const left = before.filter(({ id }) => !removed.includes(id));
      const changed = left.filter(() => random() < 0.3).map(({ id }) => row(id, { size: pick(1000) }));
      const byId = new Map([...left, ...changed].map((each) => [each.id, each]));
      const added = random() < 0.4 ? [row(`n${round}-${seq}`)] : [];
      truth = [...byId.values(), ...added];
      const isReordered = random() < 0.2;
      if (isReordered) {
        truth = [...truth].reverse();
      }
      seq += 1;
      const order = isReordered ? truth.map(({ id }) => id) : null;
      if (!isLost) {
        tell(host, { seq, changed: [...changed, ...added], removed, order });
      }
    };
    for (let at = 0; at < 30; at += 1) {
      step(random() < 0.2);
      if (random() < 0.3) {
        await answer();
      }
    }
    step(false);
    while (host.sent.filter(({ name }) => name === "rows").length > asked) {
      await answer();
      await new Promise((resolve) => setTimeout(resolve));
    }
    expect(store.rows.value, `seed ${seed}, round ${round}`).toEqual(truth);
  }
});

function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Of downloads: done, share, rate and time left. */
function figures(store: RowStore, id: string): unknown[] {
  const { done, percent, rate, eta } = store.progress.value[id] ?? {};
  return [done, percent, rate, eta];
}

function movingHost(...ids: readonly string[]): FakeHost {
  const record = progress({ done: 1_000_500, total: 10_000_000, percent: 10, rate: 5, eta: 7 });
  return new FakeHost({
    _rows: ["top", ...ids].map((id) => row(id)),
    _progress: Object.fromEntries(ids.map((id) => [id, record])),
  });
}

test("figures count in the rows, and a download that stays the same is the same object", () => {
  const host = movingHost("a", "b", "c");
  const store = storeOf(host);
  const { b } = store.progress.value;
  const { rows } = store;
  const before = rows.value;
  tell(host, { seq: 1, moved: [1, 250, 2, 9_000], paced: [1, 60_000, -1, 2, 1, 3] });
  expect(figures(store, "a")).toEqual([1_250_500, 12.5, 60_000, null]);
  expect(store.progress.value.b).toBe(b);
  expect(figures(store, "c")).toEqual([10_000_500, 100, 1, 3]);
  expect(rows.value).toBe(before);
  tell(host, { seq: 2, order: ["c", "b", "a", "top"], moved: [2, 1], ended: ["b"], progress: { c: progress() } });
  expect(figures(store, "a")[0]).toBe(1_251_500);
  expect(Object.keys(store.progress.value).sort()).toEqual(["a", "c"]);
  expect(store.progress.value.c).toEqual(progress());
  expect(host.commands).toEqual([]);
});

test("a share that the kernel has told does not fall, and one of nothing known stays", () => {
  const host = new FakeHost({
    _rows: [row("a"), row("b")],
    _progress: {
      a: progress({ done: 0, total: 100_000, percent: 50 }),
      b: progress({ done: 0, total: 0, percent: 0 }),
    },
  });
  const store = storeOf(host);
  tell(host, { seq: 1, moved: [0, 10, 1, 10] });
  expect(figures(store, "a").slice(0, 2)).toEqual([10_000, 50]);
  expect(figures(store, "b").slice(0, 2)).toEqual([10_000, 0]);
});

test("after a gap figures that count on what was missed wait for all of it", async () => {
  const host = movingHost("a", "b");
  const store = storeOf(host);
  tell(host, { seq: 2, moved: [1, 500], progress: { b: progress({ done: 5 }) } });
  expect(figures(store, "a")[0]).toBe(1_000_500);
  expect(figures(store, "b")[0]).toBe(5);
  tell(host, { seq: 3, moved: [1, 1] });
  tell(host, { seq: 4, moved: [1, 1] });
  const records = { a: progress({ done: 2_000_000, total: 10_000_000 }) };
  host.reply(await host.asked("rows"), { seq: 3, rows: [row("top"), row("a")], progress: records });
  await vi.waitFor(() => expect(figures(store, "a")[0]).toBe(2_001_000));
  expect(store.progress.value.b).toBeUndefined();
  expect(host.commands).toEqual([{ name: "rows", args: {} }]);
});

test("figures that are none change nothing, and an id may be any word", () => {
  const ids = ["__proto__", "constructor", "toString"];
  const host = movingHost(...ids);
  host.set("_progress", JSON.parse('{"__proto__":{"done":1,"total":0,"percent":0}}'));
  const store = storeOf(host);
  expect(ids.map((id) => store.progress.value[id]?.done)).toEqual([1, undefined, undefined]);
  tell(host, { seq: 1, moved: [1, "7"] as unknown as number[], paced: [99, 1] });
  tell(host, { seq: 2, moved: [7, 1, -3, 1, 5], progress: { a: 3 } as never, ended: [5] as never });
  expect(figures(store, "__proto__")[0]).toBe(1);
  tell(host, { seq: 3, moved: [1, 2] });
  expect(figures(store, "__proto__")[0]).toBe(2001);
  expect(({} as { done?: number }).done).toBeUndefined();
});

test("all rows come as one text, in which usual values are left out", () => {
  const { id, repo, ...others } = row("a");
  const names = Object.keys(others);
  const packed = {
    fields: ["id", "repo", ...names],
    usual: Object.values(others),
    rows: [["a", repo], ["b", repo, "detection_model"], "no row", [3, 4], ["c"]],
  };
  const store = storeOf(new FakeHost({ _rows: JSON.stringify(packed) }));
  expect(store.rows.value).toEqual([
    row("a"),
    { ...row("a"), id: "b", type: "detection_model" },
    { ...row("a"), id: "c", repo: undefined },
  ]);
});

test.each(["", "{", "null", "[]", "{}", '{"fields":1}', '{"fields":[],"usual":[],"rows":[[]]}'])(
  "a text that holds no rows is none: %s",
  (text) => {
    expect(storeOf(new FakeHost({ _rows: text })).rows.value).toEqual([]);
  },
);
