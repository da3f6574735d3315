/** What the panel says in each state of its link, and what its buttons do. */

import { nullTranslator } from "@jupyterlab/translation";
import type { Signal } from "@preact/signals";
import { render } from "preact";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import "../../style/index.css";
import type { LinkState } from "../../src/labextension/kernel-link";
import { KernelMemories } from "../../src/labextension/kernel-memories";
import { noRequest, type PendingRequest } from "../../src/labextension/panel-requests";
import { PanelView } from "../../src/labextension/panel-view";
import { PACKAGE_VERSION } from "../../src/protocol/schema";
import { FakeKernel } from "./fake-kernel";
import { FakeLink } from "./fake-link";

let state: Signal<LinkState>;
let place: HTMLElement;
let request: PendingRequest;
let link: FakeLink;
let memories: KernelMemories;

beforeEach(() => {
  request = noRequest();
  memories = new KernelMemories();
  place = document.createElement("div");
  place.style.width = "300px";
  document.body.append(place);
  link = new FakeLink();
  state = link.state;
  const trans = nullTranslator.load("rmm_widgets");
  render(<PanelView link={link} trans={trans} request={request} memories={memories} />, place);
});

afterEach(() => {
  render(null, place);
  place.remove();
});

async function says(next: LinkState): Promise<string> {
  state.value = next;
  await vi.waitFor(() => expect(place.querySelector("[role=status]")).not.toBeNull());
  return place.textContent ?? "";
}

async function connected(kernel: FakeKernel) {
  const connection = await link.use(kernel);
  await vi.waitFor(() => expect(place.querySelector(".rmm-panel")).not.toBeNull());
  return connection;
}

describe("where there are no models to show", () => {
  test.each<[LinkState, string]>([
    [{ kind: "no-document" }, "No notebook or console is open"],
    [{ kind: "no-kernel" }, "No kernel"],
    [{ kind: "starting" }, "Waiting for the kernel…"],
    [{ kind: "restarting" }, "The kernel is restarting…"],
    [{ kind: "ended" }, "The kernel has ended"],
    [{ kind: "connecting" }, "Connecting…"],
    [{ kind: "waiting" }, "The kernel has not answered yet"],
    [{ kind: "other-language", language: "R" }, "The kernel runs R. Models are managed in Python kernels."],
  ])("it says why: %o", async (next, words) => {
    expect(await says(next)).toContain(words);
    expect(place.querySelector("button")).toBeNull();
  });

  test.each<[LinkState, string, string]>([
    [{ kind: "offer", because: "asked" }, "Connecting runs a few silent lines", "Connect"],
    [{ kind: "offer", because: "closed" }, "The model manager was closed", "Connect"],
    [{ kind: "missing" }, "rmm_widgets is not installed in this kernel", "Look again"],
    [{ kind: "other-version", version: "9.9.9", protocol: 99 }, "The kernel has rmm_widgets 9.9.9", "Look again"],
    [{ kind: "failed", message: "<b>broken</b>", hint: "Mend it." }, "<b>broken</b>Mend it.", "Try again"],
  ])("it offers what helps: %o", async (next, words, label) => {
    expect(await says(next)).toContain(words);
    const button = [...place.querySelectorAll("button")].find(({ textContent }) => textContent === label);
    button?.click();
    expect(link.connect).toHaveBeenCalledOnce();
  });

  test("it gives the line that installs the right version", async () => {
    await says({ kind: "other-version", version: "9.9.9", protocol: null });
    expect(place.querySelector("code")?.textContent).toBe(`%pip install rmm_widgets==${PACKAGE_VERSION}`);
    await says({ kind: "missing" });
    await vi.waitFor(() => expect(place.querySelector("code")?.textContent).toBe("%pip install rmm_widgets"));
  });

  test("it shows nothing where nobody looks", () => {
    expect(place.querySelector("[role=status]")).toBeNull();
  });
});

describe("where there are models", () => {
  test("the views are drawn over the connection, and taken away with it", async () => {
    const kernel = new FakeKernel();
    const connection = await connected(kernel);
    expect(place.querySelector(".rmm-SidePanel-head")?.textContent).toBe("work.ipynb");
    expect(place.querySelector(".rmm-sidepanel-caveat")).toBeNull();
    state.value = { kind: "no-kernel" };
    await vi.waitFor(() => expect(place.querySelector(".rmm-panel")).toBeNull());
    connection.close();
  });

  test("it tells of versions that differ, and of a kernel in which requests wait", async () => {
    const kernel = new FakeKernel();
    kernel.supportsSubshells = false;
    kernel.inside.hello = { ...kernel.inside.hello, version: "9.9.9" };
    const connection = await connected(kernel);
    const caveats = [...place.querySelectorAll(".rmm-sidepanel-caveat")].map(({ textContent }) => textContent);
    expect(caveats).toEqual([
      `rmm_widgets 9.9.9 in the kernel, ${PACKAGE_VERSION} in this panel.`,
      "What you ask for waits for the running cell; ipykernel 7.1 or newer does it at once.",
    ]);
    connection.close();
  });

  test("what was asked for is shown once there are models, once", async () => {
    request.value = { kind: "search", query: "digits" };
    state.value = { kind: "connecting" };
    const kernel = new FakeKernel();
    kernel.inside.answer = () => ({ ok: true, value: [] });
    const connection = await connected(kernel);
    await vi.waitFor(() => expect(place.querySelector("dialog")?.textContent).toContain("Nothing found"));
    expect(kernel.commands).toContainEqual({ name: "search", args: { query: "digits" } });
    expect(request.value).toBeNull();
    request.value = { kind: "log" };
    await vi.waitFor(() => expect(place.querySelector<HTMLDetailsElement>("details.rmm-log")?.open).toBe(true));
    expect(kernel.commands.at(-1)?.name).toBe("log");
    connection.close();
  });

  test("what the user has set up belongs to the kernel, and is there again with it", async () => {
    const first = await connected(new FakeKernel("one"));
    const filter = () => place.querySelector<HTMLInputElement>("[aria-label='Filter models']");
    memories.of("one").filter.value = { text: "digits", type: "", status: "" };
    await vi.waitFor(() => expect(filter()?.value).toBe("digits"));
    first.close();
    const second = await connected(new FakeKernel("two"));
    await vi.waitFor(() => expect(filter()?.value).toBe(""));
    second.close();
    const again = await connected(new FakeKernel("one"));
    await vi.waitFor(() => expect(filter()?.value).toBe("digits"));
    again.close();
    const first16 = Array.from({ length: 16 }, (_, at) => memories.of(`kernel ${at}`));
    expect(memories.of("kernel 0")).toBe(first16[0]);
    expect(memories.of("one").filter.value.text, "the one shown longest ago is forgotten").toBe("");
  });

  test("nothing is wider than the side bar", async () => {
    const connection = await connected(new FakeKernel());
    expect(place.scrollWidth).toBeLessThanOrEqual(300);
    connection.close();
  });
});
