import { afterEach, expect, test } from "vitest";
import { cdp, page } from "vitest/browser";
import { BadgeList } from "../src/views/badge-list";
import { NoModels } from "../src/views/empty-state";
import { EventLog } from "../src/views/event-log";
import { HubSearch } from "../src/views/hub-search";
import { ManagerPanel } from "../src/views/manager-panel";
import { mount } from "../src/views/mount";
import { ProgressList } from "../src/views/progress-list";
import { SearchForm } from "../src/views/search-dialog";
import type { ViewState } from "../src/views/state";
import { SummaryHeader } from "../src/views/summary-header";
import { UsageForm } from "../src/views/usage-dialog";
import styles from "../style/base.css?inline";
import { FakeHost } from "./fake-host";
import { GROUNDS, type Ground, poorParts, poorTexts } from "./grounds";
import { show } from "./mounted";
import { progress, row, summary } from "./samples";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const error = { status: "error", stage: "error", error: "It failed." } as const;
const STATE = {
  _rows: [
    row("moving", { status: "downloading", stage: "downloading", actions: ["pause", "cancel"] }),
    row("paused", { stage: "paused", actions: ["resume", "cancel"] }),
    row("loading", { status: "loading", stage: "loading", actions: ["cancel"] }),
    row("degraded", { status: "loaded", health: "degraded", health_reason: "slow", memory: 1e9, actions: ["unload"] }),
    row("healthy", { status: "loaded", health: "healthy", actions: ["unload", "health"] }),
    row("unhealthy", { status: "loaded", health: "unhealthy", health_reason: "3 missed" }),
    row("full", { ...error, fix: "free-space", hint: "Free 2 GB." }),
    row("memory", { ...error, fix: "free-memory", hint: "Unload others.", actions: ["load"] }),
    row("gated", { ...error, fix: "log-in", hint: "Visit https://hub.example/demo/gated and `hf auth login`." }),
    row("missing", { ...error, fix: "install", hint: "Run: %pip install onnxruntime", actions: ["load"] }),
    row("unsafe", { ...error, fix: "allow", hint: `commit="${COMMIT}"`, actions: ["load"] }),
    row("done", { status: "downloaded", stage: "downloaded", actions: ["load"] }),
  ],
  _progress: { moving: progress(), paused: progress({ phase: "paused" }) },
  _summary: summary({ rate: 1e6, memory: 7.9e9 }),
};
const RESULTS = (["yes", "tight", "no", "unknown"] as const).map((fits, at) => ({
  repo: `demo/${fits}`,
  type: null,
  size: 1e9,
  downloads: 10,
  likes: 2,
  licence: "mit",
  gated: at === 1,
  need: 1e9,
  fits,
  safety: "safetensors",
  registered: at === 2 ? "two" : "",
}));
const USAGE = {
  models: [{ id: "a", bytes: 2e9, freeable: 1e9, unfinished: 5e8 }],
  unfinished: 1e9,
  total: 9e9,
  free: 1e8,
};

/** Answers what views ask for while they are drawn. */
class AnsweringHost extends FakeHost {
  override send(content: unknown): void {
    super.send(content);
    const name = (content as { name: string }).name;
    const answer = { search: RESULTS, usage: USAGE, log: [] }[name];
    if (answer) {
      const command = this.last(name);
      queueMicrotask(() => this.reply(command, answer));
    }
  }
}

/** All of it, one below the other. */
function Everything({ state }: { state: ViewState }) {
  return (
    <div class="rmm-panel" data-connected={state.connected.value}>
      <SummaryHeader state={state} />
      <HubSearch state={state} />
      <SearchForm state={state} />
      <UsageForm state={state} />
      <NoModels state={state} />
      <EventLog state={state} />
      <ManagerPanel state={state} />
      <ProgressList state={state} />
      <BadgeList state={state} />
    </div>
  );
}

afterEach(() => {
  document.body.removeAttribute("dir");
  document.body.removeAttribute("class");
});

async function showEverything(width = 1000): Promise<{ host: AnsweringHost; root: HTMLElement }> {
  const host = new AnsweringHost(STATE);
  const { element } = show(Everything, host, width);
  const root = element.querySelector(".rmm-root") as HTMLElement;
  for (const [at, box] of [...root.querySelectorAll<HTMLInputElement>(".rmm-search-line input")].entries()) {
    box.value = "words";
    box.dispatchEvent(new InputEvent("input", { bubbles: true }));
    box.form?.requestSubmit();
    await expect.poll(() => root.querySelectorAll(".rmm-results").length).toBe(at + 1);
  }
  await expect.poll(() => root.querySelector(".rmm-usage-table")).not.toBeNull();
  root.querySelector<HTMLElement>('[aria-label="Make room for memory"]')?.click();
  await expect.poll(() => root.querySelector(".rmm-resident")).not.toBeNull();
  return { host, root };
}

function lay(ground: Ground): HTMLElement {
  const around = document.createElement("div");
  for (const [name, value] of Object.entries(ground.attributes ?? {})) {
    around.setAttribute(name, value);
  }
  for (const [name, value] of Object.entries(ground.variables ?? {})) {
    around.style.setProperty(name, value);
  }
  document.body.append(around);
  return around;
}

test("on every ground every text has a contrast of 4.5, and every sign of 3, also greyed out", async () => {
  const { root } = await showEverything();
  const panels = root.querySelectorAll<HTMLElement>(".rmm-panel .rmm-panel");
  expect(panels.length).toBe(3);
  const poor: Record<string, unknown[]> = {};
  for (const ground of GROUNDS) {
    lay(ground).append(root.parentElement as HTMLElement);
    await expect.poll(() => root.dataset.theme, { message: ground.name }).toBe(ground.theme);
    poor[ground.name] = [...poorTexts(root), ...poorParts(root)];
    for (const panel of panels) {
      panel.dataset.connected = "false";
    }
    poor[`${ground.name}, not connected`] = poorTexts(root);
    for (const panel of panels) {
      panel.dataset.connected = "true";
    }
  }
  expect(Object.entries(poor).filter(([, found]) => found.length > 0)).toEqual([]);
});

test("a theme that changes is followed, also from outside of a shadow tree", async () => {
  const outer = lay({ name: "", theme: "light" });
  const shadow = outer.attachShadow({ mode: "open" });
  const inner = document.createElement("div");
  const sheet = document.createElement("style");
  sheet.textContent = styles;
  shadow.append(sheet, inner);
  const unmount = mount(BadgeList, new FakeHost(STATE), inner);
  const root = inner.querySelector(".rmm-root") as HTMLElement;
  expect(root.dataset.theme).toBe("light");
  document.body.classList.add("dark");
  await expect.poll(() => root.dataset.theme).toBe("dark");
  expect(getComputedStyle(root).backgroundColor).toBe("rgb(30, 30, 30)");
  expect(getComputedStyle(root).color).toBe("rgb(230, 230, 230)");
  document.body.classList.remove("dark");
  outer.style.setProperty("--jp-layout-color1", "#102030");
  await expect.poll(() => root.dataset.theme).toBe("dark");
  unmount();
  outer.style.removeProperty("--jp-layout-color1");
  expect(root.dataset.theme).toBe("dark");
});

test("a view that is drawn before it is attached finds its ground then", async () => {
  const away = document.createElement("div");
  const unmount = mount(BadgeList, new FakeHost(STATE), away);
  const around = lay({ name: "", theme: "dark", attributes: { "data-theme": "dark" } });
  around.append(away);
  await expect.poll(() => (away.querySelector(".rmm-root") as HTMLElement).dataset.theme).toBe("dark");
  unmount();
});

test("high contrast is told by the host's theme", async () => {
  const { root } = await showEverything();
  expect(root.dataset.contrast).toBeUndefined();
  lay({ name: "", theme: "dark", attributes: { class: "vscode-high-contrast" } }).append(
    root.parentElement as HTMLElement,
  );
  await expect.poll(() => root.dataset.contrast).toBe("more");
});

test("nothing of the host leaks in, nothing of ours leaks out", async () => {
  const { root } = await showEverything();
  const looks = () =>
    [...root.querySelectorAll("*")].map((element) => {
      const { color, fontSize, letterSpacing, textAlign, textTransform, padding, margin, height } =
        getComputedStyle(element);
      return [
        element.className,
        color,
        fontSize,
        letterSpacing,
        textAlign,
        textTransform,
        padding,
        margin,
        height,
      ].join();
    });
  const before = looks();
  const outside = document.createElement("button");
  document.body.append(outside);
  const outsideBefore = getComputedStyle(outside).cssText;
  const hostile = document.createElement("style");
  hostile.textContent = `
    body { text-align: center; letter-spacing: 3px; line-height: 3; text-transform: uppercase; color: red; font: 30px serif; }
    button, input, select { padding: 20px; margin: 9px; font-size: 40px; color: lime; text-transform: uppercase; }
    ul, ol, li, p, h2, table, td, th, label { margin: 30px; padding: 30px; color: red; list-style: square; }
    a, code { color: yellow; font-size: 2em; }
    .jp-OutputArea table, table tr:nth-child(odd) { background: pink; }`;
  document.head.append(hostile);
  try {
    expect(looks()).toEqual(before);
    expect(getComputedStyle(outside).paddingTop).toBe("20px");
  } finally {
    hostile.remove();
  }
  expect(getComputedStyle(outside).cssText).toBe(outsideBefore);
});

test("a hidden host hides the view", () => {
  const { element } = show(BadgeList, STATE);
  element.style.visibility = "hidden";
  expect(getComputedStyle(element.querySelector(".rmm-id") as Element).visibility).toBe("hidden");
});

test.each(["ltr", "rtl"])("at 200 % zoom and in 320 pixels nothing is cut off (%s)", async (dir) => {
  document.body.dir = dir;
  const { root } = await showEverything(320);
  await expect.poll(() => root.scrollWidth).toBeLessThanOrEqual(root.clientWidth);
  const { left, right } = root.getBoundingClientRect();
  const out = [...root.querySelectorAll("button, input, select, a, .rmm-meter, .rmm-bar")].filter((element) => {
    const place = element.getBoundingClientRect();
    return place.width > 0 && (place.left < left || place.right > right);
  });
  expect(out.map((element) => element.getAttribute("aria-label") ?? element.textContent)).toEqual([]);
});

test("right to left turns the view round, and leaves words and code as they are read", async () => {
  document.body.dir = "rtl";
  show(ProgressList, STATE);
  const id = page.getByText("moving", { exact: true }).element().getBoundingClientRect();
  const button = page.getByRole("button", { name: "Pause moving" }).element().getBoundingClientRect();
  expect(id.left).toBeGreaterThan(button.right);
  const fill = document.querySelector(".rmm-bar-done") as Element;
  const bar = fill.parentElement as Element;
  expect(Math.round(fill.getBoundingClientRect().right)).toBe(Math.round(bar.getBoundingClientRect().right));
  const code = page.getByText("%pip install onnxruntime", { exact: true }).element();
  expect(getComputedStyle(code).unicodeBidi).toBe("plaintext");
});

test("what can be pressed is at least 24 pixels high and wide", async () => {
  const { root } = await showEverything();
  const small = [
    ...root.querySelectorAll<HTMLElement>("button, input, select, a, summary, label, [tabindex='0']"),
  ].filter((element) => {
    const target = element.matches("input[type=checkbox]") ? (element.closest("label") ?? element) : element;
    const { width, height } = target.getBoundingClientRect();
    return width > 0 && !element.matches(".rmm-row, .rmm-grid") && (width < 24 || height < 24);
  });
  expect(small.map((element) => element.getAttribute("aria-label") ?? element.textContent)).toEqual([]);
});

/** What is used here of the session that Vitest's playwright provider gives, and that Vitest does not type. */
interface Session {
  send(method: string, args: Record<string, unknown>): Promise<unknown>;
}

async function emulate(features: { name: string; value: string }[]): Promise<void> {
  await (cdp() as unknown as Session).send("Emulation.setEmulatedMedia", { features });
}

test("moving parts rest where less motion is wanted", async () => {
  show(ProgressList, STATE);
  const animation = () =>
    getComputedStyle(document.querySelector("[data-endless] .rmm-bar-done") as Element).animationName;
  expect(animation()).toBe("rmm-slide");
  try {
    await emulate([{ name: "prefers-reduced-motion", value: "reduce" }]);
    await expect.poll(animation).toBe("none");
  } finally {
    await emulate([]);
  }
});

test("in forced colours bars are still filled and grounds still have an edge", async () => {
  const { root } = await showEverything();
  try {
    await emulate([{ name: "forced-colors", value: "active" }]);
    const style = (selector: string) => getComputedStyle(root.querySelector(selector) as Element);
    await expect.poll(() => style(".rmm-meter").borderTopWidth).toBe("1px");
    for (const [fill, track] of [
      [".rmm-meter-fill", ".rmm-meter"],
      [".rmm-bar-done", ".rmm-bar"],
    ] as const) {
      expect(style(fill).backgroundColor).not.toBe(style(track).backgroundColor);
    }
  } finally {
    await emulate([]);
  }
});
