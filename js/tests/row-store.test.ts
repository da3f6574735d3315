import { expect, test, vi } from "vitest";
import type { Row, RowChanges } from "../src/protocol/schema";
import { RowStore } from "../src/views/row-store";
import { FakeHost } from "./fake-host";
import { row } from "./samples";

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
