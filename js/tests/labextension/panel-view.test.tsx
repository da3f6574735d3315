/** What the panel says in each state of its link, and what its buttons do. */

import { nullTranslator } from "@jupyterlab/translation";
import { type Signal, signal } from "@preact/signals";
import { render } from "preact";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import "../../style/index.css";
import { connect } from "../../src/labextension/connect";
import type { LinkState } from "../../src/labextension/kernel-link";
import { PanelView } from "../../src/labextension/panel-view";
import { PACKAGE_VERSION } from "../../src/protocol/schema";
import { FakeKernel } from "./fake-kernel";

let state: Signal<LinkState>;
let place: HTMLElement;
const again = vi.fn();

beforeEach(() => {
  state = signal<LinkState>({ kind: "resting" });
  place = document.createElement("div");
  place.style.width = "300px";
  document.body.append(place);
  const link = { state, name: signal("work.ipynb"), target: null, look: vi.fn(), connect: again };
  render(<PanelView link={link} trans={nullTranslator.load("rmm_widgets")} />, place);
});

afterEach(() => {
  render(null, place);
  place.remove();
  again.mockClear();
});

async function says(next: LinkState): Promise<string> {
  state.value = next;
  await vi.waitFor(() => expect(place.querySelector("[role=status]")).not.toBeNull());
  return place.textContent ?? "";
}

async function connected(kernel: FakeKernel) {
  const connection = await connect(kernel.connection, { onBusy: vi.fn(), after: 0 }, new AbortController().signal);
  state.value = { kind: "connected", connection };
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
    expect(again).toHaveBeenCalledOnce();
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

  test("nothing is wider than the side bar", async () => {
    const connection = await connected(new FakeKernel());
    expect(place.scrollWidth).toBeLessThanOrEqual(300);
    connection.close();
  });
});
