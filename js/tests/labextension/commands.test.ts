/** What the commands ask of the kernel, when they can be given, and what they ask the user. */
import { nullTranslator } from "@jupyterlab/translation";
import { CommandRegistry } from "@lumino/commands";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { addModelCommands } from "../../src/labextension/model-commands";
import { addPanelCommands } from "../../src/labextension/panel-commands";
import type { PanelRequest } from "../../src/labextension/panel-requests";
import { FakeKernel } from "./fake-kernel";
import { FakeLink } from "./fake-link";

const ROWS = [
  { id: "cat", actions: ["download"] },
  { id: "dog", actions: ["load"] },
  { id: "eel", actions: ["pause", "cancel"] },
  { id: "fly", actions: ["cancel"] },
];

let commands: CommandRegistry;
let link: FakeLink;
let kernel: FakeKernel;
const show = vi.fn<(request?: PanelRequest) => void>();
let ids: string[];

beforeEach(() => {
  commands = new CommandRegistry();
  link = new FakeLink();
  kernel = new FakeKernel();
  kernel.inside.answer = (name) => ({ ok: true, value: name === "rows" ? { seq: 1, rows: ROWS, progress: {} } : null });
  show.mockClear();
  const trans = nullTranslator.load("rmm_widgets");
  ids = [...addModelCommands(commands, link, trans), ...addPanelCommands(commands, link, { show }, trans)];
});

afterEach(() => {
  if (link.state.value.kind === "connected") {
    link.state.value.connection.close();
  }
  expect(link.looking).toBe(0);
});

/** What was asked of the kernel beside who it is. */
function asked() {
  return kernel.commands.filter(({ name }) => name !== "hello" && name !== "rows");
}

async function dialog(): Promise<HTMLElement> {
  return await vi.waitFor(() => {
    const found = document.querySelector<HTMLElement>(".jp-Dialog");
    expect(found).not.toBeNull();
    return found as HTMLElement;
  });
}

async function press(label: string): Promise<void> {
  const buttons = [...(await dialog()).querySelectorAll("button")];
  buttons.find(({ textContent }) => textContent === label)?.click();
  await vi.waitFor(() => expect(document.querySelector(".jp-Dialog")).toBeNull());
}

describe("with arguments", () => {
  test.each(["download", "load", "unload"])("%s acts at once", async (name) => {
    await link.use(kernel);
    expect(await commands.execute(`rmm-widgets:${name}`, { model_id: "dog" })).toBe("dog");
    expect(asked()).toEqual([{ name, args: { model_id: "dog" } }]);
  });

  test("a repository is added", async () => {
    await link.use(kernel);
    kernel.inside.answer = () => ({ ok: true, value: { id: "gnu" } });
    const args = { repo: "zoo/gnu", model_id: "gnu", type: "embedding_model" };
    expect(await commands.execute("rmm-widgets:add", args)).toBe("gnu");
    expect(asked()).toEqual([{ name: "add", args }]);
  });

  test("what is no repository does not reach the kernel", async () => {
    await link.use(kernel);
    const executed = commands.execute("rmm-widgets:add", { repo: "gnu" });
    expect((await dialog()).textContent).toContain("“gnu” is not the name of a repository.");
    await press("Close");
    expect(await executed).toBeNull();
    expect(asked()).toEqual([]);
  });

  test("what the kernel refuses is told in full, as text", async () => {
    await link.use(kernel);
    const error = { type: "LoadError", message: "<b>dog</b> is too large", hint: "Unload eel." };
    kernel.inside.answer = () => ({ ok: false, error });
    const executed = commands.execute("rmm-widgets:load", { model_id: "dog" });
    const shown = await dialog();
    expect(shown.textContent).toContain("<b>dog</b> is too large");
    expect(shown.textContent).toContain("Unload eel.");
    await press("Close");
    expect(await executed).toBeNull();
  });

  test("words are searched for in the panel", async () => {
    await commands.execute("rmm-widgets:search", { query: "cats" });
    await commands.execute("rmm-widgets:log");
    expect(show.mock.calls).toEqual([[{ kind: "search", query: "cats" }], [{ kind: "log" }]]);
  });
});

describe("without arguments", () => {
  test("one of the models that fit is asked for", async () => {
    await link.use(kernel);
    const executed = commands.execute("rmm-widgets:load");
    const select = (await dialog()).querySelector("select");
    expect([...(select?.options ?? [])].map(({ value }) => value)).toEqual(["dog"]);
    await press("Load");
    expect(await executed).toBe("dog");
    expect(asked()).toEqual([{ name: "load", args: { model_id: "dog" } }]);
  });

  test("nothing is done where the user wants that", async () => {
    await link.use(kernel);
    const executed = commands.execute("rmm-widgets:download");
    await press("Cancel");
    expect(await executed).toBeNull();
    expect(asked()).toEqual([]);
  });

  test("nothing is asked where no model fits", async () => {
    await link.use(kernel);
    expect(await commands.execute("rmm-widgets:unload")).toBeNull();
    expect(document.querySelector(".jp-Dialog")).toBeNull();
    expect(asked()).toEqual([]);
  });

  test("all that can be cancelled is", async () => {
    await link.use(kernel);
    await commands.execute("rmm-widgets:cancel-all");
    expect(asked()).toEqual([{ name: "cancel", args: { model_ids: ["eel", "fly"] } }]);
  });

  test("the lines that freeze are given, and nothing done", async () => {
    const executed = commands.execute("rmm-widgets:freeze");
    expect((await dialog()).querySelector("code")?.textContent).toBe("%load_ext rmm_widgets\n%rmm freeze");
    await press("Close");
    await executed;
    expect(kernel.sent).toEqual([]);
  });
});

describe("a kernel that is not connected", () => {
  test("is connected for the command, for as long as that takes", async () => {
    const executed = commands.execute("rmm-widgets:load", { model_id: "dog" });
    expect(link.looking).toBe(1);
    link.state.value = { kind: "connecting" };
    await link.use(kernel);
    expect(await executed).toBe("dog");
    expect(link.looking).toBe(0);
  });

  test("that cannot be is told of", async () => {
    const executed = commands.execute("rmm-widgets:load", { model_id: "dog" });
    link.state.value = { kind: "missing" };
    expect((await dialog()).textContent).toContain("rmm_widgets is not installed in this kernel.");
    await press("Close");
    expect(await executed).toBeNull();
  });

  test("disables the commands, which say why", async () => {
    link.reachable.value = false;
    expect(ids.filter((id) => commands.isEnabled(id))).toEqual([]);
    for (const id of ids) {
      expect(commands.caption(id)).toContain(": There is no notebook or console with a running kernel.");
    }
    link.reachable.value = true;
    expect(ids.filter((id) => !commands.isEnabled(id))).toEqual([]);
    link.state.value = { kind: "other-language", language: "R" };
    expect(commands.isEnabled("rmm-widgets:load")).toBe(false);
    expect(commands.caption("rmm-widgets:load")).toContain("The kernel runs R");
  });

  test("is not connected by a command where the user is asked first", () => {
    link.state.value = { kind: "offer", because: "asked" };
    expect(commands.isEnabled("rmm-widgets:load")).toBe(false);
    expect(commands.isEnabled("rmm-widgets:search")).toBe(true);
  });
});

test("every command tells what it takes", async () => {
  for (const id of ids) {
    expect(await commands.describedBy(id)).toMatchObject({ args: { type: "object" } });
  }
});
