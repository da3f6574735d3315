/** What a page knows of the connections of the page before it in the same tab. */
import { beforeEach, expect, test, vi } from "vitest";
import { Connection } from "../../src/labextension/connection";
import { TabConnections } from "../../src/labextension/tab-connections";
import { FakeKernel } from "./fake-kernel";

let stored: Map<string, string>;

beforeEach(() => {
  stored = new Map();
});

/** As one page after another has them. */
function page(): TabConnections {
  return new TabConnections({
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, value) => void stored.set(key, value),
  });
}

function kernelWithManager(): FakeKernel {
  const kernel = new FakeKernel();
  kernel.inside.offered = true;
  return kernel;
}

/** What was said of former panels with the comms that were opened last. */
function former(kernel: FakeKernel): unknown {
  const opened = kernel.sent.filter(({ header }) => header.msg_type === "comm_open");
  const content = opened.at(-1)?.content as { data?: { former?: unknown } } | undefined;
  return content?.data?.former;
}

test("a page names what the one before it has left, and ends its thread", async () => {
  const kernel = kernelWithManager();
  kernel.subshells.add("old");
  const first = page();
  await new Connection(kernel.connection, "old", { tab: first }).open();
  expect(former(kernel)).toEqual([]);
  const client = page().leftIn(kernel.id)[0]?.client;
  expect(first.leftIn(kernel.id), "a page leaves nothing to itself").toEqual([]);
  expect(page().leftIn("another")).toEqual([]);

  const second = page();
  await new Connection(kernel.connection, "new", { tab: second }).open();
  expect(former(kernel)).toEqual([client]);
  expect(kernel.subshells.has("old")).toBe(false);
  expect(
    page()
      .leftIn(kernel.id)
      .map(({ subshell }) => subshell),
  ).toEqual(["new"]);
});

test("what was closed is left to nobody, unless the page itself went away", async () => {
  const kernel = kernelWithManager();
  const closed = new Connection(kernel.connection, "closed", { tab: page() });
  await closed.open();
  closed.close();
  await vi.waitFor(() => expect(page().leftIn(kernel.id)).toEqual([]));
  const gone = new Connection(kernel.connection, "gone", { tab: page() });
  await gone.open();
  gone.abandon();
  expect(page().leftIn(kernel.id)).toEqual([]);
  const leaving = new Connection(kernel.connection, "leaving", { tab: page() });
  await leaving.open();
  leaving.close(true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(page().leftIn(kernel.id)).toHaveLength(1);
});

test.each(["", "null", "7", "{", '[7, null, {"kernel": 3}]'])(
  "what others have written there is nothing: %s",
  (text) => {
    stored.set("rmm-widgets:connections", text);
    expect(page().leftIn("kernel")).toEqual([]);
    page().add({ kernel: "kernel", client: "mine", subshell: null });
    expect(page().leftIn("kernel")).toHaveLength(1);
  },
);

test("a browser that keeps nothing, or no more, does no harm", () => {
  const full = new TabConnections({
    getItem: () => null,
    setItem: () => {
      throw new DOMException("full", "QuotaExceededError");
    },
  });
  full.add({ kernel: "kernel", client: "mine", subshell: null });
  for (const each of [full, new TabConnections(null)]) {
    expect(each.leftIn("kernel")).toEqual([]);
    each.forget("mine");
  }
  const many = page();
  for (let at = 0; at < 40; at += 1) {
    many.add({ kernel: "kernel", client: String(at), subshell: null });
  }
  expect(page().leftIn("kernel")).toHaveLength(32);
});
