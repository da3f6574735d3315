/** The status bar's item, what it opens, and what it costs. */
import { nullTranslator } from "@jupyterlab/translation";
import { Widget } from "@lumino/widgets";
import { signal } from "@preact/signals";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import "../../style/index.css";
import { StatusItem } from "../../src/labextension/status-item";
import { statusWords } from "../../src/labextension/status-words";
import { watchWhile } from "../../src/labextension/watch-while";
import type { Summary } from "../../src/protocol/schema";
import { FakeKernel } from "./fake-kernel";
import { FakeLink } from "./fake-link";

const SUMMARY: Summary = {
  version: "0",
  revision: 1,
  models: 3,
  downloaded: 2,
  loaded: 2,
  downloads: 1,
  queued: 0,
  memory: 412e6,
  budget: 8e9,
  rate: 2.4e6,
};
const FIELDS = ["id", "status", "stage", "health", "health_reason", "memory", "actions", "error"];
const ROWS = {
  fields: FIELDS,
  usual: [],
  rows: [
    ["cat", "loaded", "loaded", "healthy", "", 412e6, ["unload"], ""],
    ["dog", "downloading", "downloading", "unknown", "", 0, ["cancel"], ""],
    ["eel", "downloaded", "downloaded", "unknown", "", 0, ["load"], ""],
  ],
};
const trans = nullTranslator.load("rmm_widgets");

test.each<[Partial<Summary>, string]>([
  [{}, "Models: 2 loaded, 412 MB of 8.00 GB; 1 download, 2.40 MB/s"],
  [{ downloads: 2, queued: 3, rate: 0 }, "Models: 2 loaded, 412 MB of 8.00 GB; 5 downloads"],
  [{ downloads: 0, rate: 0 }, "Models: 2 loaded, 412 MB of 8.00 GB"],
  [{ downloads: 0, loaded: 0, memory: 0 }, "Models: 0 loaded"],
  [{ downloads: 0, budget: 0 }, "Models: 2 loaded"],
])("the words for %o", (change, words) => {
  expect(statusWords({ ...SUMMARY, ...change }, trans)).toBe(words);
});

describe("the item", () => {
  const openPanel = vi.fn();
  let link: FakeLink;
  let item: StatusItem;

  beforeEach(() => {
    link = new FakeLink();
    item = new StatusItem(link, trans, openPanel);
    Widget.attach(item, document.body);
  });

  afterEach(() => {
    item.dispose();
    openPanel.mockClear();
  });

  async function connected() {
    const kernel = new FakeKernel();
    const connection = await link.use(kernel);
    const rows = JSON.stringify(ROWS);
    kernel.push("rmm.events", { type: "state", revision: 2, seq: 0, rows, progress: {}, summary: SUMMARY });
    return { kernel, connection };
  }

  function popup(): HTMLElement | null {
    return document.querySelector("[role=dialog]");
  }

  async function opened(): Promise<HTMLElement> {
    item.node.click();
    await vi.waitFor(() => expect(popup()?.textContent).toContain("Downloads"));
    return popup() as HTMLElement;
  }

  test("is there where a kernel is connected only, and asks for no connection", async () => {
    expect(item.isActive).toBe(false);
    const changed = vi.fn();
    item.changed.connect(changed);
    const { connection } = await connected();
    expect(item.isActive).toBe(true);
    expect(item.node.textContent).toBe("Models: 2 loaded, 412 MB of 8.00 GB; 1 download, 2.40 MB/s");
    expect(changed).toHaveBeenCalled();
    connection.close();
    link.state.value = { kind: "restarting" };
    expect(item.isActive).toBe(false);
    expect([link.looking, link.watching]).toEqual([0, 0]);
  });

  test("opens what is in memory and what is on its way, with their buttons", async () => {
    const { kernel, connection } = await connected();
    const details = await opened();
    expect(item.node.getAttribute("aria-expanded")).toBe("true");
    expect(details.textContent).toContain("Memory: 412 MB of 8.00 GB");
    const lists = [...details.querySelectorAll("ul")].map((list) => list.textContent);
    expect(lists).toHaveLength(2);
    expect(lists[0]).toContain("cat");
    expect(lists[1]).toContain("dog");
    expect(details.textContent).not.toContain("eel");
    details.querySelector<HTMLButtonElement>("[aria-label='Unload cat']")?.click();
    await vi.waitFor(() => expect(kernel.commands).toContainEqual({ name: "unload", args: { model_id: "cat" } }));
    connection.close();
  });

  test("closes it by Escape, with the focus back, and for the panel", async () => {
    const { connection } = await connected();
    item.node.focus();
    item.node.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    await vi.waitFor(() => expect(popup()).not.toBeNull());
    popup()?.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    expect(popup()).toBeNull();
    expect(document.activeElement).toBe(item.node);
    const details = await opened();
    details.querySelector<HTMLButtonElement>(".rmm-status-way")?.click();
    expect(popup()).toBeNull();
    expect(openPanel).toHaveBeenCalledOnce();
    connection.close();
  });

  test("takes it away when another kernel is shown", async () => {
    const first = await connected();
    await opened();
    const second = await connected();
    expect(popup()).toBeNull();
    first.connection.close();
    second.connection.close();
  });
});

test("the link is watched while the user wants that", () => {
  const link = new FakeLink();
  const wanted = signal<boolean | null>(null);
  const stop = watchWhile(link, wanted);
  expect(link.watching).toBe(0);
  wanted.value = true;
  expect(link.watching).toBe(1);
  wanted.value = false;
  expect(link.watching).toBe(0);
  wanted.value = true;
  stop();
  expect(link.watching).toBe(0);
});
