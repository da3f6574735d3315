/** Which document the panel is about, and how its kernel is. */
import { Widget } from "@lumino/widgets";
import { beforeEach, describe, expect, test } from "vitest";
import { KernelFollower } from "../../src/labextension/kernel-follower";
import { FakeKernel } from "./fake-kernel";
import { FakeDocument, FakeShell, FakeTracker } from "./fake-lab";

let notebooks: FakeTracker;
let consoles: FakeTracker;
let shell: FakeShell;
let follower: KernelFollower;
let changes: number;

beforeEach(() => {
  notebooks = new FakeTracker();
  consoles = new FakeTracker();
  shell = new FakeShell();
  follower = new KernelFollower(shell.shell, notebooks.tracker, consoles.tracker as never);
  changes = 0;
  follower.changed.connect(() => {
    changes += 1;
  });
});

function open(tracker: FakeTracker, name: string, kernel: FakeKernel | null = new FakeKernel(name)): FakeDocument {
  const document = new FakeDocument(name, kernel);
  tracker.add(document);
  shell.show(document);
  return document;
}

describe("the document", () => {
  test("is the last one that was in front", () => {
    const first = open(notebooks, "first");
    open(notebooks, "second");
    expect(follower.name).toBe("second");
    notebooks.choose(first);
    shell.show(first);
    expect(follower.name).toBe("first");
  });

  test("is the notebook again after a console, although its tracker has nothing new to say", () => {
    const notebook = open(notebooks, "notebook");
    open(consoles, "console");
    expect(follower.name).toBe("console");
    shell.show(notebook);
    expect(follower.name).toBe("notebook");
  });

  test("stays while something else is in front", () => {
    open(notebooks, "notebook");
    const before = changes;
    shell.show(new Widget());
    shell.show(null);
    expect(follower.name).toBe("notebook");
    expect(changes).toBe(before);
  });

  test("that is closed gives way to another, and the last one to none", () => {
    const notebook = open(notebooks, "notebook");
    const console = open(consoles, "console");
    shell.show(null);
    console.dispose();
    expect(follower.name).toBe("notebook");
    notebook.dispose();
    expect(follower.target).toBeNull();
    expect(follower.life).toBe("none");
  });

  test("tells of its new name", () => {
    const notebook = open(notebooks, "old");
    const names: string[] = [];
    follower.renamed.connect(() => names.push(follower.name));
    notebook.title.label = "new";
    expect(names).toEqual(["new"]);
  });

  test("that was left is not listened to any more", () => {
    const first = open(notebooks, "first");
    open(notebooks, "second");
    const before = changes;
    first.sessionContext.use(new FakeKernel("another"));
    expect(changes).toBe(before);
  });
});

describe("its kernel", () => {
  test("comes after the document", async () => {
    const notebook = open(notebooks, "notebook", null);
    expect([follower.life, follower.kernel]).toEqual(["starting", null]);
    const kernel = new FakeKernel();
    notebook.sessionContext.use(kernel);
    expect([follower.life, follower.kernel]).toEqual(["alive", kernel.connection]);
  });

  test("never comes where the user wants none", async () => {
    const notebook = open(notebooks, "notebook", null);
    notebook.sessionContext.use(null);
    await expect.poll(() => follower.life).toBe("none");
  });

  test.each(["restarting", "autorestarting"] as const)("is %s, then back", (status) => {
    const kernel = new FakeKernel();
    open(notebooks, "notebook", kernel);
    kernel.become(status);
    expect([follower.life, follower.kernel]).toEqual(["restarting", null]);
    kernel.become("starting");
    kernel.become("busy");
    expect(follower.life).toBe("restarting");
    kernel.become("idle");
    expect([follower.life, follower.kernel]).toEqual(["alive", kernel.connection]);
    expect(changes).toBe(3);
  });

  test("is no other for being busy", () => {
    const kernel = new FakeKernel();
    open(notebooks, "notebook", kernel);
    const before = changes;
    kernel.become("busy");
    kernel.become("idle");
    expect(changes).toBe(before);
  });

  test.each(["terminating", "dead"] as const)("is %s", (status) => {
    const kernel = new FakeKernel();
    const notebook = open(notebooks, "notebook", kernel);
    kernel.become(status);
    expect(follower.life).toBe("ended");
    notebook.sessionContext.use(new FakeKernel("next"));
    expect(follower.life).toBe("alive");
  });
});
