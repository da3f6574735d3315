/** The built bundles in the real anywidget runtime: what a notebook does with them. */
import { afterEach, expect, test, vi } from "vitest";
import { page } from "vitest/browser";
import { manyRows, progress, row, summary } from "../samples";
import { clean, ShownWidget } from "./anywidget-host";
import { BUNDLES } from "./bundles";

afterEach(clean);

const NAMES = [...BUNDLES.keys()];
const ALPHA = row("alpha");
const LOADED = row("alpha", { status: "loaded", stage: "loaded", health: "healthy", actions: ["unload", "health"] });

test("the bundles of all widgets are built", () => {
  expect(NAMES).toEqual(expect.arrayContaining(["badge", "panel", "progress"]));
});

test.each(NAMES)("%s draws its first state and follows new rows", async (name) => {
  const widget = await ShownWidget.open(name, { _rows: [ALPHA], _summary: summary() });
  const { element } = await widget.display();
  await vi.waitFor(() => expect(element.textContent).toContain("not downloaded"));
  expect(element.querySelector(".rmm-root")).not.toBeNull();
  widget.kernel.rows([LOADED, row("beta")]);
  await vi.waitFor(() => expect(element.textContent).toContain("beta"));
  expect(element.textContent).toContain("loaded");
  widget.kernel.rows([LOADED]);
  await vi.waitFor(() => expect(element.textContent).not.toContain("beta"));
  expect(widget.kernel.written).toEqual([]);
});

test.each(NAMES)("%s follows single rows that changed", async (name) => {
  const widget = await ShownWidget.open(name, { _rows: [ALPHA, row("beta")] });
  const { element } = await widget.display();
  await vi.waitFor(() => expect(element.textContent).toContain("beta"));
  widget.kernel.changed(row("beta", { status: "error", stage: "error", error: "The disk is full." }));
  await vi.waitFor(() => expect(element.textContent).toContain("The disk is full."));
  expect(element.textContent).toContain("alpha");
});

test.each(NAMES)("%s styles itself below its own root only", async (name) => {
  const widget = await ShownWidget.open(name, { _rows: [ALPHA] });
  const { element } = await widget.display();
  await vi.waitFor(() => expect(element.textContent).toContain("alpha"));
  const sheets = [...document.querySelectorAll("style")].filter((style) => style.id.startsWith("rmm_widgets.tested"));
  expect(sheets.length).toBeGreaterThan(0);
  for (const sheet of sheets) {
    for (const rule of sheet.sheet?.cssRules ?? []) {
      if (rule instanceof CSSStyleRule) {
        expect(rule.selectorText).toContain(".rmm-root");
      }
    }
  }
});

test("a button's command travels to the kernel, and its refusal comes back", async () => {
  const widget = await ShownWidget.open("panel", { _rows: [ALPHA] });
  await widget.display();
  await page.getByRole("button", { name: "Download alpha", exact: true }).click();
  const command = await vi.waitFor(() => {
    const found = widget.kernel.last("download");
    expect(found).toBeDefined();
    return found as NonNullable<typeof found>;
  });
  expect(command.args).toEqual({ model_id: "alpha" });
  widget.kernel.refuse(command, "It does not fit on the disk.");
  await expect.element(page.getByText("It does not fit on the disk.").first()).toBeVisible();
});

test("progress moves without a word of the rows", async () => {
  const moving = row("alpha", { status: "downloading", stage: "downloading", actions: ["pause", "cancel"] });
  const widget = await ShownWidget.open("panel", { _rows: [moving], _progress: { alpha: progress() } });
  await widget.display();
  const bar = page.getByRole("progressbar", { name: "alpha" });
  await expect.element(bar).toHaveAttribute("aria-valuenow", "42");
  widget.kernel.update({ _progress: { alpha: progress({ percent: 77 }) } });
  await expect.element(bar).toHaveAttribute("aria-valuenow", "77");
});

test("two views of one model show the same, and only the asking one shows the answer", async () => {
  const widget = await ShownWidget.open("panel", { _rows: [ALPHA] });
  const first = await widget.display();
  const second = await widget.display();
  await vi.waitFor(() => expect(second.element.textContent).toContain("not downloaded"));
  const button = first.element.querySelector('[aria-label="Download alpha"]') as HTMLButtonElement;
  button.click();
  const command = await vi.waitFor(() => widget.kernel.last("download") ?? expect.fail("no command yet"));
  widget.kernel.refuse(command, "Not now.");
  await vi.waitFor(() => expect(first.element.textContent).toContain("Not now."));
  expect(second.element.textContent).not.toContain("Not now.");
  widget.kernel.rows([LOADED]);
  for (const { element } of [first, second]) {
    await vi.waitFor(() => expect(element.querySelector('[aria-label="Unload alpha"]')).not.toBeNull());
  }
  first.remove();
  widget.kernel.rows([row("gamma")]);
  await vi.waitFor(() => expect(second.element.textContent).toContain("gamma"));
});

/** What the store of a model's rows listens to: it outlives the views, and ends with the model. */
const ROWS_KEPT_BY = ["change:_rows", "change:_rows_seq", "change:_progress", "change:_changes", "msg:custom"];

test.each(NAMES)("%s leaves no listener, timer or message behind", async (name) => {
  // ipywidgets itself leaves some behind: as many as a widget that does nothing.
  const idle = await ShownWidget.openModule("export default { render() {} }", {});
  (await idle.display()).remove();
  const widget = await ShownWidget.open(name, { _rows: [ALPHA] });
  const view = await widget.display();
  await vi.waitFor(() => expect(view.element.textContent).toContain("alpha"));
  const shown = widget.listeners;
  const kept = { ...idle.listeners };
  for (const event of ROWS_KEPT_BY) {
    kept[event] = (kept[event] ?? 0) + 1;
  }
  expect(shown).not.toEqual(kept);
  vi.useFakeTimers({ toFake: ["setTimeout", "setInterval"] });
  try {
    view.remove();
    await vi.waitFor(() => expect(widget.listeners).toEqual(kept));
    const sent = widget.kernel.commands.length;
    widget.kernel.rows([row("beta")]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(widget.kernel.commands.length).toBe(sent);
  } finally {
    vi.useRealTimers();
  }
  await widget.manager.clear_state();
  await vi.waitFor(() => expect(Object.keys(widget.listeners)).not.toContain("change:_rows"));
});

test.each(NAMES)("%s full of rows is ready before anywidget gives it up", async (name) => {
  // A model that takes two seconds to begin is refused every later message, for good.
  const widget = await ShownWidget.open(name, { _rows: manyRows(10_000) });
  const { element } = await widget.display();
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  widget.kernel.rows([row("late")]);
  await vi.waitFor(() => expect(element.textContent).toContain("late"));
});

test("a closed comm greys the view out and takes its buttons", async () => {
  const widget = await ShownWidget.open("panel", { _rows: [ALPHA] });
  const { element } = await widget.display();
  const button = page.getByRole("button", { name: "Download alpha", exact: true });
  await expect.element(button).toBeEnabled();
  widget.kernel.die();
  widget.manager.disconnect(); // as a host does when its kernel goes
  await vi.waitFor(() => expect(element.textContent).toContain("Not connected"));
  await expect.element(button).toBeDisabled();
});
