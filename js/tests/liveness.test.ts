import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ManagerPanel } from "../src/views/manager-panel";
import { FakeHost } from "./fake-host";
import { show } from "./mounted";
import { row } from "./samples";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});

afterEach(() => {
  vi.useRealTimers();
});

const ROWS = [row("alpha")];

async function drawn(): Promise<void> {
  await vi.advanceTimersByTimeAsync(100);
  await new Promise(requestAnimationFrame);
  await vi.advanceTimersByTimeAsync(100);
}

function notice(): string {
  return document.querySelector('[data-kind="connection"]')?.textContent ?? "";
}

function panel(): HTMLElement {
  return document.querySelector(".rmm-panel") as HTMLElement;
}

test("two unanswered pings grey the view out, an answer brings it back", async () => {
  const host = new FakeHost({ _rows: ROWS });
  host.alive = false;
  show(ManagerPanel, host);
  await vi.advanceTimersByTimeAsync(5_100);
  await drawn();
  expect(notice()).toBe("");
  await vi.advanceTimersByTimeAsync(5_000);
  await drawn();
  expect(notice()).toContain("Not connected");
  expect(panel().dataset.connected).toBe("false");
  expect((document.querySelector('[aria-label="Download alpha"]') as HTMLButtonElement).disabled).toBe(true);
  host.alive = true;
  await vi.advanceTimersByTimeAsync(5_100);
  await drawn();
  expect(notice()).toBe("");
  expect(panel().dataset.connected).toBe("true");
});

test("new state is a sign of life too", async () => {
  const host = new FakeHost({ _rows: ROWS });
  host.alive = false;
  show(ManagerPanel, host);
  await vi.advanceTimersByTimeAsync(6_000);
  host.set("_progress", {});
  await vi.advanceTimersByTimeAsync(5_000);
  await drawn();
  expect(notice()).toBe("");
});

test("a closed comm is seen at once", async () => {
  const host = new FakeHost({ _rows: ROWS });
  show(ManagerPanel, host);
  await drawn();
  expect(notice()).toBe("");
  host.alive = false;
  host.emit("comm_live_update");
  await drawn();
  expect(notice()).toContain("the kernel of this view is gone");
});

test("a view revived without a comm says so from the start", async () => {
  const host = new FakeHost({ _rows: ROWS });
  host.alive = false;
  host.comm_live = false;
  show(ManagerPanel, host);
  await drawn();
  expect(notice()).toContain("Not connected");
});

test("a living kernel is asked every ten seconds, and no more when the view is gone", async () => {
  const host = new FakeHost({ _rows: ROWS });
  const { unmount } = show(ManagerPanel, host);
  await vi.advanceTimersByTimeAsync(35_000);
  expect(host.sent.map(({ name }) => name)).toEqual(["ping", "ping", "ping", "ping"]);
  unmount();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(host.sent.length).toBe(4);
  expect(vi.getTimerCount()).toBe(0);
});

test("a kernel with another protocol is named", async () => {
  const host = new FakeHost({ _rows: ROWS });
  host.protocol = 99;
  show(ManagerPanel, host);
  await drawn();
  expect(document.querySelector('[data-kind="version"]')?.textContent).toContain("rmm_widgets 0.1.0");
});

test("a command that nobody answers is reported, not forgotten", async () => {
  const host = new FakeHost({ _rows: ROWS });
  show(ManagerPanel, host);
  await drawn();
  (document.querySelector('[aria-label="Download alpha"]') as HTMLButtonElement).click();
  await vi.advanceTimersByTimeAsync(31_000);
  await drawn();
  expect(document.querySelector('[data-kind="error"]')?.textContent).toContain("has not answered");
});
