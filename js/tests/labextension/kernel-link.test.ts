/** The link keeps one connection, to the right kernel, while somebody looks. */
import { effect, type Signal, signal } from "@preact/signals";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Connection } from "../../src/labextension/connection";
import { KernelFollower } from "../../src/labextension/kernel-follower";
import { KernelLink } from "../../src/labextension/kernel-link";
import { FakeKernel } from "./fake-kernel";
import { FakeDocument, FakeShell, FakeTracker } from "./fake-lab";

const LINGER = 20;

let notebooks: FakeTracker;
let shell: FakeShell;
let auto: Signal<boolean | null>;
let link: KernelLink;

beforeEach(() => {
  notebooks = new FakeTracker();
  shell = new FakeShell();
  auto = signal<boolean | null>(true);
  link = new KernelLink(new KernelFollower(shell.shell, notebooks.tracker, null), auto, LINGER);
});

afterEach(() => link.dispose());

function open(kernel: FakeKernel): FakeDocument {
  const document = new FakeDocument(kernel.id, kernel);
  notebooks.add(document);
  shell.show(document);
  return document;
}

function kind(): string {
  return link.state.value.kind;
}

function connection(): Connection {
  const state = link.state.value;
  if (state.kind !== "connected") {
    throw new Error(state.kind);
  }
  return state.connection;
}

async function becomes(expected: string): Promise<void> {
  await vi.waitFor(() => expect(kind()).toBe(expected));
}

describe("where nobody looks", () => {
  test("no kernel is asked anything", async () => {
    const kernel = new FakeKernel();
    const notebook = open(kernel);
    kernel.become("restarting");
    kernel.become("idle");
    notebook.sessionContext.use(kernel);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(kind()).toBe("resting");
    expect(kernel.sent).toEqual([]);
    expect(kernel.subshells.size).toBe(0);
  });

  test("the connection is kept for a moment, then closed", async () => {
    const kernel = new FakeKernel();
    open(kernel);
    const look = link.look();
    await becomes("connected");
    look.dispose();
    link.look().dispose();
    expect(kind()).toBe("connected");
    const asked = kernel.asked.length;
    await becomes("resting");
    await vi.waitFor(() => expect([kernel.comms.size, kernel.subshells.size]).toEqual([0, 0]));
    link.look();
    await becomes("connected");
    expect(kernel.asked.length).toBeGreaterThan(asked);
  });
});

describe("where somebody only watches", () => {
  test("no kernel is asked anything that was never connected", async () => {
    link.watch();
    const kernel = new FakeKernel();
    open(kernel);
    kernel.become("restarting");
    kernel.become("idle");
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(kind()).toBe("resting");
    expect(kernel.sent).toEqual([]);
  });

  test("a kernel in which the user runs code of the package is connected, once it has a manager", async () => {
    const kernel = new FakeKernel();
    open(kernel);
    const watch = link.watch();
    kernel.run("import os");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(kernel.sent).toEqual([]);
    kernel.run("import rmm_widgets");
    await vi.waitFor(() => expect(kernel.asked).toEqual(["made"]));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([kind(), kernel.comms.size, kernel.subshells.size]).toEqual(["resting", 0, 0]);
    kernel.inside.offered = true;
    kernel.run("%rmm ls");
    await becomes("connected");
    expect(kernel.asked).toEqual(["made", "made"]);
    kernel.inside.offered = false;
    kernel.become("restarting");
    kernel.become("idle");
    await vi.waitFor(() => expect(kernel.asked).toEqual(["made", "made", "made"]));
    expect(kind(), "nothing is made in a kernel that has been restarted").toBe("resting");
    kernel.inside.offered = true;
    kernel.run("  %%rmm\nls");
    await becomes("connected");
    watch.dispose();
  });

  test("who looks has the brief connection of who watches replaced, without a gap and beside a cell", async () => {
    const kernel = new FakeKernel();
    kernel.inside.offered = true;
    open(kernel);
    link.watch();
    kernel.run("import rmm_widgets");
    await becomes("connected");
    const brief = connection();
    expect(brief.brief).toBe(true);
    const kinds: string[] = [];
    const stop = effect(() => void kinds.push(link.state.value.kind));
    kernel.block();
    const look = link.look();
    await vi.waitFor(() => expect(connection().brief).toBe(false));
    expect(kinds).toEqual(["connected", "connected"]);
    expect(brief.comm_live).toBe(false);
    await vi.waitFor(() => expect([kernel.comms.size, kernel.subshells.size]).toEqual([2, 1]), { timeout: 3_000 });
    look.dispose();
    link.look();
    expect(connection().brief, "what is there is enough").toBe(false);
    kernel.unblock();
    stop();
  });

  test("code of the package is no reason where the user wants to be asked, or nobody watches", async () => {
    const kernel = new FakeKernel();
    kernel.inside.offered = true;
    open(kernel);
    kernel.run("import rmm_widgets");
    auto.value = false;
    link.watch();
    kernel.run("import rmm_widgets");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([kind(), kernel.sent]).toEqual(["resting", []]);
  });

  test("a connection outlives its lookers, and is there again with its document", async () => {
    const [kernel, other] = [new FakeKernel("known"), new FakeKernel("other")];
    const document = open(kernel);
    const watch = link.watch();
    const look = link.look();
    await becomes("connected");
    look.dispose();
    await new Promise((resolve) => setTimeout(resolve, 2 * LINGER));
    expect(kind()).toBe("connected");
    open(other);
    expect(kind()).toBe("resting");
    shell.show(document);
    await becomes("connected");
    expect(other.sent).toEqual([]);
    watch.dispose();
    await becomes("resting");
    await vi.waitFor(() => expect([kernel.comms.size, kernel.subshells.size]).toEqual([0, 0]));
  });

  test("a kernel that nobody could connect is left, one that is watched is not", async () => {
    const [known, strange] = [new FakeKernel("known"), new FakeKernel("strange")];
    strange.inside.installed = false;
    const document = open(known);
    link.watch();
    const look = link.look();
    await becomes("connected");
    open(strange);
    await becomes("missing");
    look.dispose();
    await becomes("resting");
    const again = link.look();
    await becomes("missing");
    again.dispose();
    shell.show(document);
    await becomes("connected");
    await new Promise((resolve) => setTimeout(resolve, 2 * LINGER));
    expect(kind()).toBe("connected");
  });

  test("a manager that was closed is not replaced", async () => {
    const [kernel, other] = [new FakeKernel("closed"), new FakeKernel("other")];
    const document = open(kernel);
    link.watch();
    const look = link.look();
    await becomes("connected");
    look.dispose();
    kernel.push("rmm.events", { type: "ended", reason: "closed" });
    const asked = kernel.asked.length;
    open(other);
    shell.show(document);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([kind(), kernel.asked.length]).toEqual(["resting", asked]);
  });

  test("the kernel hears now and then that the page is there, and nothing else", async () => {
    link.dispose();
    link = new KernelLink(new KernelFollower(shell.shell, notebooks.tracker, null), auto, LINGER, 10);
    const kernel = new FakeKernel();
    open(kernel);
    link.watch();
    const look = link.look();
    await becomes("connected");
    const before = kernel.commands.length;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(kernel.commands.length).toBe(before);
    look.dispose();
    await vi.waitFor(() => expect(kernel.commands.length).toBeGreaterThan(before + 1));
    expect(new Set(kernel.commands.slice(before).map(({ name }) => name))).toEqual(new Set(["ping"]));
  });
});

describe("from kernel to kernel", () => {
  test("the one before is left", async () => {
    const [first, second] = [new FakeKernel("first"), new FakeKernel("second")];
    open(first);
    link.look();
    await becomes("connected");
    open(second);
    await vi.waitFor(() => expect(second.targets).toEqual(["rmm.events", "rmm.rpc"]));
    await vi.waitFor(() =>
      expect([first.comms.size, first.subshells.size, first.placeholders.size]).toEqual([0, 0, 0]),
    );
    expect(link.name.value).toBe("second");
  });

  test("those that the user only passes by are asked nothing", async () => {
    link.look();
    const passed = [1, 2, 3].map((each) => new FakeKernel(`passed-${each}`));
    for (const kernel of passed) {
      open(kernel);
    }
    open(new FakeKernel("last"));
    await becomes("connected");
    expect(passed.flatMap(({ sent }) => sent)).toEqual([]);
  });

  test("an answer that comes late changes nothing", async () => {
    const [slow, quick] = [new FakeKernel("slow"), new FakeKernel("quick")];
    slow.inside.installed = false;
    slow.block();
    open(slow);
    link.look();
    await vi.waitFor(() => expect(slow.asked).not.toEqual([]));
    open(quick);
    await becomes("connected");
    slow.unblock();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(kind()).toBe("connected");
    expect(slow.comms.size).toBe(0);
  });

  test("a restart is shown; the comms of the kernel that is gone are not closed there", async () => {
    const kernel = new FakeKernel();
    open(kernel);
    link.look();
    await becomes("connected");
    kernel.comms.clear();
    const sent = kernel.sent.length;
    kernel.become("restarting");
    expect(kind()).toBe("restarting");
    expect(kernel.sent.length).toBe(sent);
    expect(kernel.placeholders.size).toBe(0);
    kernel.become("idle");
    await becomes("connected");
    expect(kernel.targets).toEqual(["rmm.events", "rmm.rpc"]);
  });

  test("the ends are told apart", async () => {
    link.look();
    expect(kind()).toBe("no-document");
    const notebook = open(new FakeKernel());
    await becomes("connected");
    notebook.sessionContext.use(null);
    await becomes("no-kernel");
    const next = new FakeKernel("next");
    notebook.sessionContext.use(next);
    await becomes("connected");
    next.become("dead");
    expect(kind()).toBe("ended");
    notebook.dispose();
    expect(kind()).toBe("no-document");
  });
});

describe("the user", () => {
  test("is asked first where the setting says so, once a kernel", async () => {
    auto.value = false;
    const kernel = new FakeKernel();
    open(kernel);
    link.look();
    expect(link.state.value).toEqual({ kind: "offer", because: "asked" });
    expect(kernel.sent).toEqual([]);
    link.connect();
    await becomes("connected");
    kernel.become("restarting");
    kernel.become("idle");
    await becomes("connected");
    open(new FakeKernel("another"));
    expect(kind()).toBe("offer");
  });

  test("is not asked, and no kernel either, until the setting is known", async () => {
    auto.value = null;
    const kernel = new FakeKernel();
    open(kernel);
    link.look();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(kernel.sent).toEqual([]);
    auto.value = true;
    await becomes("connected");
  });

  test("can have the panel look again", async () => {
    const kernel = new FakeKernel();
    kernel.inside.installed = false;
    open(kernel);
    link.look();
    await becomes("missing");
    kernel.inside.installed = true;
    link.connect();
    await becomes("connected");
  });
});

describe("a connection that ends by itself", () => {
  test("is made anew where the kernel had only lost sight of the panel", async () => {
    const kernel = new FakeKernel();
    open(kernel);
    link.look();
    await becomes("connected");
    const before = link.state.value;
    kernel.push("rmm.events", { type: "ended", reason: "forgotten" });
    await vi.waitFor(() => {
      expect(kind()).toBe("connected");
      expect(link.state.value).not.toBe(before);
    });
  });

  test("is not where the manager was closed", async () => {
    const kernel = new FakeKernel();
    open(kernel);
    link.look();
    await becomes("connected");
    kernel.push("rmm.events", { type: "ended", reason: "closed" });
    expect(link.state.value).toEqual({ kind: "offer", because: "closed" });
    await vi.waitFor(() => expect(kernel.subshells.size).toBe(0));
  });

  test("is closed when the page goes away, and made again when it comes back", async () => {
    const kernel = new FakeKernel();
    open(kernel);
    link.look();
    await becomes("connected");
    window.dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
    expect(kernel.subshells.size).toBe(0);
    await vi.waitFor(() => expect(kernel.comms.size).toBe(0));
    window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
    await becomes("connected");
  });
});
