/** From a kernel to a connection: what is asked of which kernel, and what is left behind. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { connect } from "../../src/labextension/connect";
import { ConnectFailure, type Failure } from "../../src/labextension/connect-failure";
import type { Connection } from "../../src/labextension/connection";
import { PACKAGE_VERSION, PROTOCOL_VERSION } from "../../src/protocol/schema";
import { FakeKernel } from "./fake-kernel";

const NEVER = new AbortController().signal;

function go(kernel: FakeKernel, until = NEVER, onBusy: () => void = vi.fn()): Promise<Connection> {
  return connect(kernel.connection, { onBusy, after: 0 }, until);
}

async function failure(kernel: FakeKernel): Promise<Failure> {
  const error = await go(kernel).then(
    () => null,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(ConnectFailure);
  return (error as ConnectFailure).failure;
}

/** Nothing of ours is in the kernel, or in the page. */
async function expectNothingLeft(kernel: FakeKernel): Promise<void> {
  await vi.waitFor(() =>
    expect([kernel.comms.size, kernel.subshells.size, kernel.placeholders.size]).toEqual([0, 0, 0]),
  );
}

afterEach(() => {
  vi.useRealTimers();
});

describe("an idle kernel", () => {
  test("is asked in silence, then comms are opened in a thread of their own", async () => {
    const kernel = new FakeKernel();
    const connection = await go(kernel);
    expect(kernel.asked).toEqual(["found", "version", "offered"]);
    for (const { header, content } of kernel.sent) {
      if (header.msg_type === "execute_request") {
        expect(content).toMatchObject({ code: "", silent: true, store_history: false, stop_on_error: false });
      }
    }
    expect(kernel.targets).toEqual(["rmm.events", "rmm.rpc"]);
    expect([...kernel.comms.values()].map(({ subshell }) => subshell)).toEqual(["subshell-1", "subshell-1"]);
    expect(connection.besideCells).toBe(true);
    expect(connection.kernelVersion).toBe(PACKAGE_VERSION);
    connection.close();
    await expectNothingLeft(kernel);
  });

  test("without threads is connected all the same", async () => {
    const kernel = new FakeKernel();
    kernel.supportsSubshells = false;
    const connection = await go(kernel);
    expect(connection.besideCells).toBe(false);
    connection.close();
    await expectNothingLeft(kernel);
  });

  test("is told who the panel is", async () => {
    const kernel = new FakeKernel();
    (await go(kernel)).close();
    const opened = kernel.sent.filter(({ header }) => header.msg_type === "comm_open").map(({ content }) => content);
    expect(opened).toHaveLength(2);
    for (const content of opened) {
      expect(content).toMatchObject({ data: { version: PACKAGE_VERSION, protocol: PROTOCOL_VERSION } });
    }
    const clients = opened.map((content) => (content as { data: { client: string } }).data.client);
    expect(new Set(clients).size).toBe(1);
  });

  test("is reached over a connection that handles no comms, too", async () => {
    const kernel = new FakeKernel();
    kernel.handleComms = false;
    (await go(kernel)).close();
    await expectNothingLeft(kernel);
  });
});

describe("a kernel that is not for us", () => {
  test("of another language is asked nothing", async () => {
    const kernel = new FakeKernel();
    kernel.inside.language = "R";
    expect(await failure(kernel)).toEqual({ kind: "other-language", language: "R" });
    expect(kernel.sent).toEqual([]);
  });

  test("without the package is looked at only", async () => {
    const kernel = new FakeKernel();
    kernel.inside.installed = false;
    expect(await failure(kernel)).toEqual({ kind: "missing" });
    expect(kernel.inside.offered).toBe(false);
    expect(kernel.comms.size).toBe(0);
  });

  test("of another protocol is left", async () => {
    const kernel = new FakeKernel();
    kernel.inside.hello = { version: "9.9.9", protocol: 99 };
    expect(await failure(kernel)).toEqual({ kind: "other-version", version: "9.9.9", protocol: 99 });
    await expectNothingLeft(kernel);
  });

  test("with a package that knows no such comms is of another version", async () => {
    const kernel = new FakeKernel();
    kernel.inside.hello = { version: "0.0.1", protocol: 0 };
    kernel.inside.offerError = { ename: "ModuleNotFoundError", evalue: "No module named 'rmm_widgets.comm_targets'" };
    expect(await failure(kernel)).toEqual({ kind: "other-version", version: "0.0.1", protocol: null });
  });

  test("whose package is broken says why", async () => {
    const kernel = new FakeKernel();
    kernel.inside.offerError = { ename: "ImportError", evalue: "no msgspec" };
    expect(await failure(kernel)).toEqual({ kind: "failed", message: "ImportError: no msgspec", hint: "" });
  });

  test("whose manager cannot be made says why", async () => {
    const kernel = new FakeKernel();
    kernel.inside.broken = { type: "InvalidSettingError", message: "memory_budget is 'lots'", hint: "Say 8 GB." };
    const told = { kind: "failed", message: "memory_budget is 'lots'", hint: "Say 8 GB." };
    expect(await failure(kernel)).toEqual(told);
    await expectNothingLeft(kernel);
  });
});

describe("a kernel that is busy with a cell", () => {
  test("and has a manager is connected beside the cell", async () => {
    const kernel = new FakeKernel();
    kernel.inside.offered = true;
    kernel.block();
    const onBusy = vi.fn();
    const connection = await go(kernel, NEVER, onBusy);
    expect(onBusy).toHaveBeenCalledOnce();
    expect(kernel.targets).toEqual(["rmm.events", "rmm.rpc"]);
    kernel.unblock();
    await Promise.resolve();
    expect(kernel.targets).toEqual(["rmm.events", "rmm.rpc"]);
    connection.close();
    await expectNothingLeft(kernel);
  });

  test("since before the page was loaded is connected, too", async () => {
    const kernel = new FakeKernel();
    kernel.inside.offered = true;
    kernel.becomeUnknown();
    const connection = await go(kernel);
    expect(kernel.asked).toEqual([]);
    expect(kernel.targets).toEqual(["rmm.events", "rmm.rpc"]);
    connection.close();
    await expectNothingLeft(kernel);
  });

  test("and has no other threads is waited for", async () => {
    vi.useFakeTimers();
    const kernel = new FakeKernel();
    kernel.supportsSubshells = false;
    kernel.inside.offered = true;
    kernel.becomeUnknown();
    const onBusy = vi.fn();
    const life = new AbortController();
    const connecting = go(kernel, life.signal, onBusy).catch(() => "left");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(onBusy).toHaveBeenCalled();
    expect(kernel.comms.size).toBe(0);
    life.abort();
    void connecting;
  });

  test("and offers nothing is waited for", async () => {
    vi.useFakeTimers();
    const kernel = new FakeKernel();
    kernel.block();
    const onBusy = vi.fn();
    const connecting = go(kernel, NEVER, onBusy);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(onBusy).toHaveBeenCalled();
    expect([kernel.comms.size, kernel.placeholders.size]).toEqual([0, 0]);
    expect(kernel.complaints).toEqual([]);
    kernel.unblock();
    const connection = await connecting;
    expect(kernel.targets).toEqual(["rmm.events", "rmm.rpc"]);
    connection.close();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(kernel.subshells.size).toBe(0);
  });

  test("is left without a trace when the user goes elsewhere", async () => {
    const kernel = new FakeKernel();
    kernel.block();
    const life = new AbortController();
    const connecting = go(kernel, life.signal);
    await vi.waitFor(() => expect(kernel.asked).not.toEqual([]));
    life.abort();
    await expect(connecting).rejects.toThrow();
    kernel.unblock();
    await expectNothingLeft(kernel);
  });
});
