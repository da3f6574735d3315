import { expect, test, vi } from "vitest";
import { page, userEvent } from "vitest/browser";
import type { FileLine, Progress, Row } from "../src/protocol/schema";
import { BadgeList } from "../src/views/badge-list";
import { look, secondsOf, type Watch } from "../src/views/download-watch";
import { inOrder } from "../src/views/file-list";
import { ProgressList } from "../src/views/progress-list";
import { show } from "./mounted";
import { HOSTILE, progress, row } from "./samples";

const MOVING = row("alpha", { status: "downloading", stage: "downloading", actions: ["pause", "cancel"] });

function line(path: string, state: FileLine["state"], done = 0): FileLine {
  return { path, size: 1_000_000, done, state, note: "" };
}

test("a bar says bytes, rate, time left and which file it is at", async () => {
  show(ProgressList, { _rows: [MOVING], _progress: { alpha: progress() } });
  const bar = page.getByRole("progressbar", { name: "alpha" });
  await expect.element(bar).toHaveAttribute("aria-valuetext", "42 %, 4.27 MB of 10.0 MB, 1.10 MB/s, 5 s left");
  await expect.element(page.getByText("model.safetensors (2 of 3)")).toBeVisible();
});

test.each<[Partial<Progress>, string]>([
  [{ phase: "paused", rate: 0, eta: null }, "42 %, paused, 4.27 MB of 10.0 MB"],
  [{ phase: "waiting_for_other", rate: 0, eta: null, total: 0 }, "42 %, another program is downloading it"],
  [{ phase: "queued", percent: 0, done: 0, rate: 0, eta: null, place: 2 }, "0 %, queued, 2nd, 0 B of 10.0 MB"],
  [{ phase: "verifying", rate: 0, eta: null }, "42 %, verifying, 4.27 MB of 10.0 MB"],
])("a download that is %j says so in words and looks unlike one that moves", async (changes, words) => {
  show(ProgressList, { _rows: [MOVING], _progress: { alpha: progress(changes) } });
  const bar = page.getByRole("progressbar", { name: "alpha" });
  await expect.element(bar).toHaveAttribute("aria-valuetext", words);
  await expect.element(page.getByText(words, { exact: true })).toBeVisible();
  expect(document.querySelector(".rmm-progress")?.getAttribute("data-phase")).toBe(changes.phase);
});

test("of a hundred downloads only the nodes whose figures changed are touched", async () => {
  const ids = Array.from({ length: 100 }, (_, at) => `m${at}`);
  const rows = ids.map((id) => ({ ...MOVING, id }));
  const bars = (percent: number) => Object.fromEntries(ids.map((id) => [id, progress({ percent })]));
  const { host, element } = show(ProgressList, { _rows: rows, _progress: bars(10) });
  await expect
    .element(page.getByRole("progressbar", { name: "m99", exact: true }))
    .toHaveAttribute("aria-valuenow", "10");
  const records: MutationRecord[] = [];
  const observer = new MutationObserver((seen) => records.push(...seen));
  observer.observe(element, { subtree: true, childList: true, attributes: true, characterData: true });
  host.set("_progress", { ...bars(10), m7: progress({ percent: 20 }) });
  const bar = (id: string) => page.getByRole("progressbar", { name: id, exact: true });
  await expect.element(bar("m7")).toHaveAttribute("aria-valuenow", "20");
  records.push(...observer.takeRecords());
  const touched = (record: MutationRecord) =>
    (record.target instanceof Element ? record.target : record.target.parentElement)?.closest("li")?.textContent;
  expect(records.filter((record) => !touched(record)?.startsWith("m7"))).toEqual([]);
  records.length = 0;
  host.set("_progress", bars(30));
  await expect.element(bar("m0")).toHaveAttribute("aria-valuenow", "30");
  await expect.element(bar("m99")).toHaveAttribute("aria-valuenow", "30");
  records.push(...observer.takeRecords());
  // No node comes or goes: texts, three attributes and a style per bar.
  expect(records.filter(({ type }) => type === "childList")).toEqual([]);
  expect(records.length).toBeLessThanOrEqual(100 * 5);
  observer.disconnect();
});

test("files are asked for each second while they are shown, and not after", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const { host, element } = show(ProgressList, { _rows: [MOVING], _progress: { alpha: progress() } });
    const asked = () => host.commands.filter(({ name }) => name === "files").length;
    const drawn = async () => {
      await vi.advanceTimersByTimeAsync(50);
      await new Promise(requestAnimationFrame);
      await vi.advanceTimersByTimeAsync(50);
    };
    const toggle = element.querySelector<HTMLButtonElement>('[aria-label="Files of alpha"]');
    toggle?.click();
    await drawn();
    expect(asked()).toBe(1);
    host.reply(host.last("files"), [line("a.json", "done"), line("b.bin", "downloading", 250_000)]);
    await drawn();
    const lines = () => [...element.querySelectorAll(".rmm-file-line")].map((each) => each.textContent);
    expect(lines()).toEqual(["b.bindownloading250 kB of 1.00 MB", "a.jsondone1.00 MB"]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked()).toBe(2);
    host.refuse(host.last("files"), { type: "E", message: "It has ended.", hint: "" });
    await drawn();
    expect(element.textContent).toContain("It has ended.");
    toggle?.click();
    await drawn();
    expect(lines()).toEqual([]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(asked()).toBe(2);
  } finally {
    vi.useRealTimers();
  }
});

test("S14 a hundred thousand files, and hostile names, are cut and stay text", async () => {
  const { host, element } = show(ProgressList, { _rows: [MOVING], _progress: { alpha: progress() } });
  await page.getByRole("button", { name: "Files of alpha" }).click();
  const many = Array.from({ length: 100_000 }, (_, at) => line(`f${at}`, "waiting"));
  const asked = await vi.waitFor(() => host.last("files"));
  host.reply(asked, [...many, ...HOSTILE.map((text) => ({ ...line(text, "downloading"), note: text }))]);
  await expect.element(page.getByText(`and ${100_000 + HOSTILE.length - 200} more`)).toBeVisible();
  expect(element.querySelectorAll(".rmm-file-line").length).toBe(200);
  expect(element.querySelectorAll("img, script, iframe, style, math, a, b").length).toBe(0);
  expect("__pwned" in window).toBe(false);
});

test("files on their way come first, in their own order otherwise", () => {
  const lines = [line("1", "done"), line("2", "waiting"), line("3", "downloading"), line("4", "waiting")];
  expect(inOrder(lines).map(({ path }) => path)).toEqual(["3", "2", "4", "1"]);
});

test("a finished download ends as its size, its time and the way on", async () => {
  const { host } = show(ProgressList, { _rows: [row("alpha")] });
  host.set("_rows", [MOVING]);
  await expect.element(page.getByRole("progressbar")).toBeVisible();
  const done = { status: "downloaded", stage: "downloaded", actions: ["load"] } as const;
  host.set("_rows", [row("alpha", { ...done, actions: ["load"] })]);
  await expect.element(page.getByText(/^1\.25 MB in \d+ s$/)).toBeVisible();
  await expect.element(page.getByRole("progressbar")).not.toBeInTheDocument();
  await page.getByRole("button", { name: "Load alpha" }).click();
  expect(host.commands).toEqual([{ name: "load", args: { model_id: "alpha" } }]);
});

test("a failed download says why, with what helps", async () => {
  const error = { status: "error", stage: "error", error: "It stalled.", hint: "Try again.", fix: "retry" } as const;
  const { host } = show(ProgressList, { _rows: [row("alpha", { ...error, actions: ["download"] })] });
  await expect.element(page.getByText("It stalled.")).toBeVisible();
  await page.getByRole("button", { name: "Retry alpha" }).click();
  expect(host.commands).toEqual([{ name: "download", args: { model_id: "alpha" } }]);
});

function watched(...steps: [Row["status"], number, Progress?][]): Watch | null {
  return steps.reduce<Watch | null>((watch, [status, now, bar]) => look(watch, row("a", { status }), bar, now), null);
}

test("only a download that was seen from its begin is timed", () => {
  const fresh = progress({ done: 0 });
  expect(secondsOf(watched(["not_downloaded", 0], ["downloading", 1_000], ["downloaded", 13_000]))).toBe(12);
  expect(secondsOf(watched(["downloading", 1_000, fresh], ["downloading", 2_000], ["downloaded", 4_000]))).toBe(3);
  expect(secondsOf(watched(["downloading", 1_000, progress()], ["downloaded", 4_000]))).toBeNull();
  expect(secondsOf(watched(["downloaded", 4_000]))).toBeNull();
  expect(secondsOf(watched(["downloading", 0, fresh], ["error", 5_000], ["downloaded", 6_000]))).toBeNull();
  const loaded = watched(["downloading", 0, fresh], ["downloaded", 5_000], ["loading", 9_000], ["loaded", 10_000]);
  expect(secondsOf(loaded)).toBe(5);
});

test("the reason of a health state is read on focus and on hover, and Escape takes it away", async () => {
  const reason = "3 probes missed";
  show(BadgeList, { _rows: [row("alpha", { health: "degraded", health_reason: reason }), row("beta")] });
  const tip = page.getByRole("tooltip");
  await userEvent.keyboard("{Tab}");
  await expect.element(tip).toHaveTextContent(reason);
  await userEvent.keyboard("{Escape}");
  await expect.element(tip).not.toBeInTheDocument();
  expect(document.activeElement?.className).toBe("rmm-health");
  (document.activeElement as HTMLElement).blur();
  await page.getByText("degraded").hover();
  await expect.element(tip).toBeVisible();
  // The pointer may move onto the text without losing it.
  await tip.hover();
  await expect.element(tip).toBeVisible();
  await userEvent.keyboard("{Escape}");
  await expect.element(tip).not.toBeInTheDocument();
  await page.getByText("beta").hover();
  // Without a reason there is nothing to focus.
  expect(document.querySelectorAll(".rmm-health[tabindex]").length).toBe(1);
});

test("a tooltip is whole at the edge of the window", async () => {
  const { element } = show(BadgeList, {
    _rows: [row("alpha", { health: "degraded", health_reason: "long ".repeat(60) })],
  });
  element.style.cssText = "position: fixed; inset-block-end: 0; inset-inline-end: 0; width: 200px";
  document.querySelector<HTMLElement>(".rmm-health")?.focus();
  const tip = page.getByRole("tooltip");
  await expect.element(tip).toBeVisible();
  const place = tip.element().getBoundingClientRect();
  expect(place.left).toBeGreaterThanOrEqual(0);
  expect(place.top).toBeGreaterThanOrEqual(0);
  expect(place.right).toBeLessThanOrEqual(window.innerWidth);
  expect(place.bottom).toBeLessThanOrEqual(window.innerHeight);
});
