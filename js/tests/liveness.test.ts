import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ManagerPanel } from "../src/views/manager-panel";
import { FakeHost } from "./fake-host";
import { FakeKernel } from "./fake-kernel";
import { show } from "./mounted";
import { row } from "./samples";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});

afterEach(() => {
  vi.useRealTimers();
});

const ROWS = [row("alpha")];
/** In which a dead kernel must be seen. */
const LIMIT = 5_000;

/** Preact draws in a frame or after a timer; neither may be taken for the other. */
async function drawn(): Promise<void> {
  await vi.advanceTimersByTimeAsync(50);
  await new Promise(requestAnimationFrame);
  await vi.advanceTimersByTimeAsync(50);
}

async function pass(milliseconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds - 100);
  await drawn();
}

function notice(kind = "connection"): string {
  return document.querySelector(`[data-kind="${kind}"]`)?.textContent ?? "";
}

function isGrey(): boolean {
  const panel = document.querySelector<HTMLElement>(".rmm-panel");
  const download = document.querySelector<HTMLButtonElement>('[aria-label="Download alpha"]');
  expect(download?.disabled).toBe(panel?.dataset.connected === "false");
  return panel?.dataset.connected === "false";
}

function withKernel(): { host: FakeHost; kernel: FakeKernel } {
  const kernel = new FakeKernel();
  const host = new FakeHost({ _rows: ROWS });
  host.widget_manager = { kernel };
  return { host, kernel };
}

test("a kernel that ends is seen within five seconds where only pings can tell, and its return, too", async () => {
  const host = new FakeHost({ _rows: ROWS });
  show(ManagerPanel, host);
  await pass(4_000);
  expect(isGrey()).toBe(false);
  host.alive = false;
  await pass(LIMIT);
  expect(notice()).toContain("Not connected: the kernel does not answer");
  expect(notice()).toContain("or a cell keeps it busy");
  expect(isGrey()).toBe(true);
  host.alive = true;
  await pass(10_000);
  expect(notice()).toBe("");
  expect(isGrey()).toBe(false);
});

test("new state is a sign of life, also where pings wait", async () => {
  const host = new FakeHost({ _rows: ROWS });
  host.alive = false;
  show(ManagerPanel, host);
  for (let seconds = 0; seconds < 12; seconds += 1) {
    await pass(1_000);
    host.set("_progress", {});
    expect(notice()).toBe("");
  }
});

test("pings that a kernel does not answer become rarer", async () => {
  const host = new FakeHost({ _rows: ROWS });
  host.alive = false;
  show(ManagerPanel, host);
  await pass(120_000);
  expect(host.sent.length).toBeLessThan(15);
});

test.each([
  ["restarting", "the kernel is restarting"],
  ["autorestarting", "the kernel is restarting"],
  ["dead", "the kernel has ended"],
  ["terminating", "the kernel has ended"],
])("a kernel that the host calls %s greys the view out at once", async (status, words) => {
  const { host, kernel } = withKernel();
  show(ManagerPanel, host);
  await drawn();
  host.alive = false;
  kernel.become(status);
  await drawn();
  expect(notice()).toContain(words);
  expect(isGrey()).toBe(true);
});

test("a restarted kernel's view says that it shows the past, until it is answered", async () => {
  const { host, kernel } = withKernel();
  show(ManagerPanel, host);
  await drawn();
  host.alive = false;
  kernel.become("restarting");
  host.emit("comm_live_update");
  // What was under way when it ended is no sign of life.
  host.set("_progress", {});
  // What JupyterLab does next: it connects anew, and the states follow.
  kernel.connectionStatus = "connecting";
  kernel.become("unknown");
  host.emit("comm_live_update");
  kernel.connection("connected");
  kernel.become("starting");
  kernel.become("idle");
  kernel.dispose();
  await pass(30_000);
  expect(notice()).toContain("was restarted, this view shows how it was before");
  expect(isGrey()).toBe(true);
  host.alive = true;
  await pass(13_000);
  expect(isGrey()).toBe(false);
});

test("a kernel that is busy with a cell is no alarm: commands wait for it", async () => {
  const { host, kernel } = withKernel();
  show(ManagerPanel, host);
  await drawn();
  host.alive = false;
  kernel.become("busy");
  await pass(60_000);
  expect(notice()).toBe("");
  expect(notice("busy")).toContain("done when the cell ends");
  expect(isGrey()).toBe(false);
  host.alive = true;
  kernel.become("idle");
  await pass(3_000);
  expect(notice("busy")).toBe("");
});

test("a host that can is asked for another way to a kernel that does not know the view any more", async () => {
  const { host } = withKernel();
  host.renew = vi.fn();
  show(ManagerPanel, host);
  host.alive = false;
  await pass(8_000);
  expect(host.renew).not.toHaveBeenCalled();
  await pass(8_000);
  expect(host.renew).toHaveBeenCalledOnce();
});

test("an idle kernel that does not know the view any more is seen, after a second question", async () => {
  const { host } = withKernel();
  show(ManagerPanel, host);
  await pass(8_000);
  host.alive = false;
  await pass(4_800);
  expect(notice()).toBe("");
  await pass(3_000);
  expect(notice()).toContain("does not know this view");
  expect(isGrey()).toBe(true);
});

test("a page that lost its server says so, and asks again once it is back", async () => {
  const { host, kernel } = withKernel();
  show(ManagerPanel, host);
  await drawn();
  kernel.connection("connecting");
  await drawn();
  expect(notice()).toContain("lost the way to its server");
  expect(isGrey()).toBe(true);
  kernel.connection("connected");
  await drawn();
  expect(notice()).toBe("");
});

test("another kernel in the notebook is not this view's", async () => {
  const { host, kernel } = withKernel();
  show(ManagerPanel, host);
  await drawn();
  host.alive = false;
  host.widget_manager = { kernel: new FakeKernel() };
  kernel.dispose();
  await drawn();
  expect(notice()).toContain("the kernel of this view is gone");
});

test("a host whose sending fails gets a notice, not an error in the page", async () => {
  const { host } = withKernel();
  show(ManagerPanel, host);
  await drawn();
  host.send = () => {
    throw new Error("Kernel is dead");
  };
  document.querySelector<HTMLButtonElement>('[aria-label="Download alpha"]')?.click();
  await drawn();
  expect(notice("error")).toContain("The kernel cannot be reached.");
});

test.each([{}, null, { kernel: null }, { kernel: 7 }, { kernel: { status: "idle" } }])(
  "a widget manager of another shape is as none: %j",
  async (manager) => {
    const host = new FakeHost({ _rows: ROWS });
    host.widget_manager = manager;
    show(ManagerPanel, host);
    await drawn();
    host.alive = false;
    await pass(LIMIT);
    expect(notice()).toContain("the kernel does not answer");
  },
);

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

test("a kernel that the host tells of is asked rarely, and nothing stays behind a view that is gone", async () => {
  const { host, kernel } = withKernel();
  const { unmount } = show(ManagerPanel, host);
  await vi.advanceTimersByTimeAsync(35_000);
  expect(host.sent.map(({ name }) => name)).toEqual(["ping", "ping", "ping", "ping"]);
  expect(kernel.slots).toBe(3);
  unmount();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(host.sent.length).toBe(4);
  expect(vi.getTimerCount()).toBe(0);
  expect(kernel.slots).toBe(0);
});

test("a kernel with another protocol is named", async () => {
  const host = new FakeHost({ _rows: ROWS });
  host.protocol = 99;
  show(ManagerPanel, host);
  await drawn();
  expect(notice("version")).toContain("rmm_widgets 0.1.0");
});

test("a command that nobody answers is reported, not forgotten", async () => {
  const { host, kernel } = withKernel();
  show(ManagerPanel, host);
  await drawn();
  kernel.become("busy");
  document.querySelector<HTMLButtonElement>('[aria-label="Download alpha"]')?.click();
  await pass(31_000);
  expect(notice("error")).toContain("has not answered");
});
