import { expect, test, vi } from "vitest";
import { page, userEvent } from "vitest/browser";
import type { Row } from "../src/protocol/schema";
import { ManagerPanel } from "../src/views/manager-panel";
import { ModelTablePanel } from "../src/views/model-table-panel";
import { FakeHost } from "./fake-host";
import { show } from "./mounted";
import { HOSTILE, manyRows, row } from "./samples";

const LOADED = { status: "loaded", stage: "loaded", actions: ["unload", "health"] } as const;
const FIVE = [
  row("beta", { ...LOADED, actions: ["unload", "health"], memory: 5, size: 300 }),
  row("alpha", { size: 1_000 }),
  row("delta", { type: "detection_model", status: "downloaded", stage: "downloaded", actions: ["load"], size: 20 }),
  row("gamma", { pinned: true, size: 7 }),
  row("epsilon", { status: "error", stage: "error", error: "It broke.", size: 0 }),
];

function ids(): string[] {
  const rows = [...document.querySelectorAll<HTMLElement>(".rmm-row[data-index]")];
  return rows.map((element) => element.querySelector(".rmm-id")?.textContent ?? "");
}

function chosen(): string[] {
  const rows = [...document.querySelectorAll(".rmm-row[aria-selected='true']")];
  return rows.map((element) => element.querySelector(".rmm-id")?.textContent ?? "");
}

function rowOf(id: string): HTMLElement {
  const found = [...document.querySelectorAll<HTMLElement>(".rmm-row[data-index]")].find(
    (element) => element.querySelector(".rmm-id")?.textContent === id,
  );
  if (!found) {
    throw new Error(`no row ${id}`);
  }
  return found;
}

function focused(): string {
  const active = document.activeElement;
  return active?.getAttribute("aria-label") ?? active?.querySelector(".rmm-id")?.textContent ?? active?.tagName ?? "";
}

function header(name: string) {
  return page.getByRole("columnheader", { name });
}

async function sortBy(name: string): Promise<void> {
  await header(name).getByRole("button", { name, exact: true }).click();
}

test("a header sorts ascending, descending, and gives the kernel's order back", async () => {
  show(ManagerPanel, { _rows: FIVE });
  const kernel = FIVE.map(({ id }) => id);
  await expect.element(header("Size")).toHaveAttribute("aria-sort", "none");
  await sortBy("Size");
  await expect.element(header("Size")).toHaveAttribute("aria-sort", "ascending");
  expect(ids()).toEqual(["epsilon", "gamma", "delta", "beta", "alpha"]);
  await sortBy("Size");
  await expect.element(header("Size")).toHaveAttribute("aria-sort", "descending");
  expect(ids()).toEqual(["alpha", "beta", "delta", "gamma", "epsilon"]);
  await sortBy("Model");
  await expect.element(header("Size")).toHaveAttribute("aria-sort", "none");
  expect(ids()).toEqual([...kernel].sort());
  await sortBy("Model");
  await sortBy("Model");
  expect(ids()).toEqual(kernel);
  expect(page.getByRole("columnheader", { name: "Actions" }).element().hasAttribute("aria-sort")).toBe(false);
});

test("a sorted table stays sorted when rows change", async () => {
  const { host } = show(ManagerPanel, { _rows: FIVE });
  await sortBy("Size");
  host.set("_changes", { seq: 1, changed: [row("delta", { size: 5_000 }), row("zeta", { size: 100 })] });
  await vi.waitFor(() => expect(ids()).toEqual(["epsilon", "gamma", "zeta", "beta", "alpha", "delta"]));
});

test("type and status filter, and one button shows all again", async () => {
  show(ManagerPanel, { _rows: FIVE });
  await page.getByRole("combobox", { name: "Type" }).selectOptions("detection model");
  await vi.waitFor(() => expect(ids()).toEqual(["delta"]));
  await expect.element(page.getByText("1 of 5")).toBeVisible();
  await page.getByRole("combobox", { name: "Status" }).selectOptions("loaded");
  await expect.element(page.getByText("No model matches the filter.")).toBeVisible();
  await page.getByRole("button", { name: "Show all" }).click();
  await vi.waitFor(() => expect(ids().length).toBe(5));
  await page.getByRole("combobox", { name: "Status" }).selectOptions("error");
  await vi.waitFor(() => expect(ids()).toEqual(["epsilon"]));
  await expect.element(page.getByRole("status")).toHaveTextContent("1 model shown");
});

test("columns can be chosen, the model always stays", async () => {
  show(ManagerPanel, { _rows: FIVE });
  const names = () => [...document.querySelectorAll("[role=columnheader]")].map((cell) => cell.textContent);
  await page.getByRole("button", { name: "Columns" }).click();
  const menu = page.getByRole("group", { name: "Columns" });
  await menu.getByRole("checkbox", { name: "Repository" }).click();
  await menu.getByRole("checkbox", { name: "Memory" }).click();
  await expect.element(menu.getByRole("checkbox", { name: "Model" })).not.toBeInTheDocument();
  expect(names()).toEqual(["Model", "Repository", "Type", "Size", "Status", "Health", "Actions"]);
  await expect.element(page.getByRole("grid")).toHaveAttribute("aria-colcount", "7");
  await userEvent.keyboard("{Escape}");
  await expect.element(menu).not.toBeInTheDocument();
  await expect.element(page.getByRole("button", { name: "Columns" })).toHaveFocus();
});

test("hiding the sorted column gives the kernel's order back", async () => {
  show(ManagerPanel, { _rows: FIVE });
  await sortBy("Size");
  await page.getByRole("button", { name: "Columns" }).click();
  await page.getByRole("group", { name: "Columns" }).getByRole("checkbox", { name: "Size" }).click();
  await vi.waitFor(() => expect(ids()).toEqual(FIVE.map(({ id }) => id)));
});

test("RegistryTable begins with the columns and types it was made for", async () => {
  show(ModelTablePanel, { _rows: FIVE, _columns: ["status", "type"], _types: ["detection_model"] });
  await vi.waitFor(() => expect(ids()).toEqual(["delta"]));
  const names = [...document.querySelectorAll("[role=columnheader]")].map((cell) => cell.textContent);
  expect(names).toEqual(["Model", "Type", "Status"]);
  await expect.element(page.getByRole("textbox", { name: "Repository or search words" })).not.toBeInTheDocument();
});

test("boxes select, Shift selects a range, the head's box all of them", async () => {
  show(ManagerPanel, { _rows: FIVE });
  const box = (id: string) => page.getByRole("checkbox", { name: `Select ${id}`, exact: true });
  const all = page.getByRole("checkbox", { name: "Select all" });
  await box("alpha").click();
  expect(chosen()).toEqual(["alpha"]);
  expect((all.element() as HTMLInputElement).indeterminate).toBe(true);
  await box("gamma").click({ modifiers: ["Shift"] });
  expect(chosen()).toEqual(["alpha", "delta", "gamma"]);
  // A range that ends at a row that is chosen already leaves its box ticked.
  await box("delta").click({ modifiers: ["Shift"] });
  expect(chosen()).toEqual(["alpha", "delta", "gamma"]);
  await expect.element(box("delta")).toBeChecked();
  await page.getByText("beta", { exact: true }).click({ modifiers: ["Control"] });
  expect(chosen()).toEqual(["beta", "alpha", "delta", "gamma"]);
  await page.getByText("beta", { exact: true }).click();
  expect(chosen().length).toBe(4);
  await all.click();
  await expect.element(all).toBeChecked();
  expect(chosen().length).toBe(5);
  await all.click();
  expect(chosen()).toEqual([]);
});

test("keys select: Space, Shift with arrows, Control+A, Escape", async () => {
  show(ManagerPanel, { _rows: FIVE });
  rowOf("beta").focus();
  await userEvent.keyboard(" ");
  expect(chosen()).toEqual(["beta"]);
  await userEvent.keyboard("{Shift>}{ArrowDown}{ArrowDown}{/Shift}");
  expect(chosen()).toEqual(["beta", "alpha", "delta"]);
  await userEvent.keyboard("{Shift>}{ArrowUp}{/Shift}");
  expect(chosen()).toEqual(["beta", "alpha"]);
  expect(focused()).toBe("alpha");
  await userEvent.keyboard("{ArrowDown}{ArrowDown}{Shift>} {/Shift}");
  expect(chosen()).toEqual(["beta", "alpha", "delta", "gamma"]);
  await userEvent.keyboard("{Escape}");
  expect(chosen()).toEqual([]);
  await userEvent.keyboard("{Control>}a{/Control}");
  expect(chosen().length).toBe(5);
  await expect.element(page.getByRole("status")).toHaveTextContent("5 models selected");
});

test("Space on a button presses it and selects nothing", async () => {
  const { host } = show(ManagerPanel, { _rows: FIVE });
  rowOf("alpha").focus();
  await userEvent.keyboard("{ArrowRight} ");
  expect(host.commands).toEqual([{ name: "download", args: { model_id: "alpha" } }]);
  expect(chosen()).toEqual([]);
});

test("arrows lead to the head's buttons and back, Control+End to the last row", async () => {
  show(ManagerPanel, { _rows: FIVE });
  rowOf("alpha").focus();
  await userEvent.keyboard("{ArrowUp}{ArrowUp}");
  expect(document.activeElement?.textContent).toBe("Model");
  await userEvent.keyboard("{ArrowRight}{ArrowRight}{Enter}");
  await expect.element(header("Size")).toHaveAttribute("aria-sort", "ascending");
  expect(document.activeElement?.textContent).toBe("Size");
  await userEvent.keyboard("{ArrowDown}");
  expect(focused()).toBe("epsilon");
  await userEvent.keyboard("{ArrowUp}");
  expect(document.activeElement?.textContent).toBe("Size");
  await userEvent.keyboard("{ArrowDown}{ArrowRight}{Control>}{End}{/Control}");
  expect(focused()).toBe("alpha");
});

test("Tab leaves the grid", async () => {
  show(ManagerPanel, { _rows: FIVE });
  rowOf("delta").focus();
  const grid = page.getByRole("grid").element();
  const names: string[] = [];
  for (let presses = 0; presses < 8 && grid.contains(document.activeElement); presses += 1) {
    await userEvent.keyboard("{Tab}");
    names.push(focused());
  }
  expect(grid.contains(document.activeElement)).toBe(false);
  expect(names.slice(0, 3)).toEqual(["Load delta", "Details delta", "Remove delta"]);
  await userEvent.keyboard("{Shift>}{Tab}{/Shift}");
  expect(grid.contains(document.activeElement)).toBe(true);
});

test("in a text that runs from right to left the left arrow leads to the buttons", async () => {
  const { element } = show(ManagerPanel, { _rows: FIVE });
  element.dir = "rtl";
  rowOf("alpha").focus();
  await userEvent.keyboard("{ArrowLeft}");
  expect(focused()).toBe("Download alpha");
});

test("Enter and a button open the details, another asks before it removes", async () => {
  const seen: string[] = [];
  show(
    ({ state }) => {
      seen.push(`${state.open.value} ${JSON.stringify(state.dialog.value)}`);
      return ManagerPanel({ state });
    },
    { _rows: FIVE },
  );
  rowOf("alpha").focus();
  await userEvent.keyboard("{Enter}");
  await vi.waitFor(() => expect(seen.at(-1)).toBe("alpha null"));
  await page.getByRole("button", { name: "Details delta" }).click();
  await vi.waitFor(() => expect(seen.at(-1)).toBe("delta null"));
  await page.getByRole("button", { name: "Remove gamma" }).click();
  await vi.waitFor(() => expect(seen.at(-1)).toBe('delta {"kind":"remove","ids":["gamma"]}'));
});

test("the focus stays on its row's button when the order changes", async () => {
  const { host } = show(ManagerPanel, { _rows: FIVE });
  rowOf("alpha").focus();
  await userEvent.keyboard("{ArrowRight}{ArrowRight}");
  expect(focused()).toBe("Details alpha");
  host.set("_changes", { seq: 1, order: ["epsilon", "gamma", "alpha", "delta", "beta"] });
  await vi.waitFor(() => expect(ids()).toEqual(["epsilon", "gamma", "alpha", "delta", "beta"]));
  expect(focused()).toBe("Details alpha");
  await userEvent.keyboard("{ArrowLeft}{ArrowLeft}{ArrowDown}");
  expect(focused()).toBe("delta");
});

test("where the focused row goes, the one in its place takes the focus; where none is left, the grid", async () => {
  const { host } = show(ManagerPanel, { _rows: FIVE });
  rowOf("delta").focus();
  await userEvent.keyboard("{ArrowRight}");
  host.set("_changes", { seq: 1, removed: ["delta"] });
  await vi.waitFor(() => expect(focused()).toBe("gamma"));
  host.set("_changes", { seq: 2, removed: ["gamma", "epsilon"] });
  await vi.waitFor(() => expect(focused()).toBe("alpha"));
  host.set("_changes", { seq: 3, removed: ["alpha", "beta"] });
  await vi.waitFor(() => expect(focused()).toBe("Models"));
});

test("a focused row that is scrolled away keeps the focus", async () => {
  show(ManagerPanel, { _rows: manyRows(2_000) });
  rowOf("model-00003").focus();
  const grid = page.getByRole("grid").element();
  grid.scrollTop = 60_000;
  await vi.waitFor(() => expect(ids()).not.toContain("model-00001"));
  expect(focused()).toBe("model-00003");
  expect(ids()[0]).toBe("model-00003");
  await userEvent.keyboard("{ArrowDown}");
  await vi.waitFor(() => expect(focused()).toBe("model-00004"));
  expect(grid.scrollTop).toBeLessThan(1_000);
});

test("the bar offers what fits the selected models, and sends it for those", async () => {
  const { host } = show(ManagerPanel, { _rows: FIVE });
  const bar = page.getByRole("group", { name: "Selected models" });
  await expect.element(bar).not.toBeInTheDocument();
  for (const id of ["alpha", "gamma", "beta"]) {
    await page.getByRole("checkbox", { name: `Select ${id}`, exact: true }).click();
  }
  await expect.element(bar).toHaveTextContent("3 selected");
  const names = () =>
    bar
      .getByRole("button")
      .elements()
      .map((each) => each.getAttribute("aria-label"));
  expect(names()).toEqual([
    "Download selected",
    "Unload selected",
    "Pin selected",
    "Unpin selected",
    "Remove… selected",
    "Clear selection",
  ]);
  await bar.getByRole("button", { name: "Download selected" }).click();
  await bar.getByRole("button", { name: "Pin selected", exact: true }).click();
  expect(host.commands).toEqual([
    { name: "download", args: { model_ids: ["alpha", "gamma"] } },
    { name: "pin", args: { model_ids: ["beta", "alpha"] } },
  ]);
  host.reply(host.last("pin"), { begun: ["beta", "alpha"], refused: {} });
  const error = { type: "DiskFullError", message: "The disk is full.", hint: "Free 2 GB." };
  host.reply(host.last("download"), { begun: ["alpha"], refused: { gamma: error } });
  await expect
    .element(page.getByText("Download: 1 of 2 refused. gamma: The disk is full.", { exact: true }))
    .toBeVisible();
  expect(document.querySelectorAll(".rmm-notice").length).toBe(1);
  await page.getByRole("searchbox", { name: "Filter models" }).fill("beta");
  await expect.element(bar).toHaveTextContent("3 selected (2 hidden by the filter)");
  await bar.getByRole("button", { name: "Clear selection" }).click();
  await expect.element(bar).not.toBeInTheDocument();
});

test("selected models that are gone are not selected any more", async () => {
  const { host } = show(ManagerPanel, { _rows: FIVE, selected: ["alpha", "beta"] });
  expect(chosen()).toEqual(["beta", "alpha"]);
  host.set("_changes", { seq: 1, removed: ["alpha"] });
  await vi.waitFor(() => expect(host.get("selected")).toEqual(["beta"]));
});

test("the selection is a trait: written by the view, followed when Python writes it", async () => {
  const { host } = show(ManagerPanel, { _rows: FIVE, selected: [] });
  await page.getByRole("checkbox", { name: "Select alpha" }).click();
  expect(host.get("selected")).toEqual(["alpha"]);
  expect(host.saves).toBe(1);
  host.set("selected", ["delta", "beta"]);
  await vi.waitFor(() => expect(chosen()).toEqual(["beta", "delta"]));
  expect(host.saves).toBe(1);
});

test("a host without that trait keeps the selection to itself", async () => {
  const { host } = show(ManagerPanel, { _rows: FIVE });
  await page.getByRole("checkbox", { name: "Select alpha" }).click();
  expect(chosen()).toEqual(["alpha"]);
  expect(host.get("selected")).toBeUndefined();
  expect(host.saves).toBe(0);
});

test("only rows that changed are redrawn", async () => {
  const drawn: string[] = [];
  const watched = manyRows(50).map((each) => {
    const { description } = each;
    return Object.defineProperty({ ...each }, "description", {
      enumerable: true,
      get() {
        drawn.push(each.id);
        return description;
      },
    });
  });
  const { host } = show(ManagerPanel, { _rows: watched });
  await vi.waitFor(() => expect(ids().length).toBe(50));
  drawn.length = 0;
  host.set("_changes", { seq: 1, changed: [row("model-00004", LOADED as unknown as Partial<Row>)] });
  await expect.element(page.getByRole("button", { name: "Unload model-00004" })).toBeInTheDocument();
  expect(new Set(drawn)).toEqual(new Set(["model-00004"]));
});

test("ten thousand rows: few elements, a filter that answers at once, a sort that keeps the focus in sight", async () => {
  const rows = manyRows(10_000).map((each, at) => ({ ...each, size: (at * 7_919) % 10_007 }));
  show(ManagerPanel, { _rows: rows });
  const grid = page.getByRole("grid").element();
  const input = page.getByRole("searchbox", { name: "Filter models" }).element() as HTMLInputElement;
  input.focus();
  const times: number[] = [];
  let wanted = "";
  for (const letter of "model-0999") {
    wanted += letter;
    const begun = performance.now();
    input.value = wanted;
    input.dispatchEvent(new InputEvent("input", { bubbles: true }));
    // Preact draws in a microtask; reading a size lays the page out.
    await Promise.resolve();
    await new Promise<void>((resolve) => setTimeout(resolve));
    expect(grid.scrollHeight).toBeGreaterThan(0);
    times.push(performance.now() - begun);
  }
  await expect.element(page.getByRole("grid")).toHaveAttribute("aria-rowcount", "11");
  // Loosely, because the machine may be busy; 10 to 20 ms are usual.
  const median = [...times].sort((a, b) => a - b)[5];
  expect(median, `keystrokes took ${times.map((each) => each.toFixed(1)).join(", ")} ms`).toBeLessThan(1_000);
  input.value = "";
  input.dispatchEvent(new InputEvent("input", { bubbles: true }));
  await sortBy("Size");
  expect(grid.querySelectorAll("*").length).toBeLessThan(3_000);
  expect(ids()[0]).toBe("model-00000");
});

test("hostile ids and texts stay text, also in the bar, the menus and labels", async () => {
  const rows = HOSTILE.map((text) => row(text, { repo: text, description: text, pinned: true, error: text }));
  const { host, element } = show(ModelTablePanel, { _rows: rows, _columns: HOSTILE, _types: null });
  await page.getByRole("checkbox", { name: "Select all" }).click();
  await page.getByRole("button", { name: "Download selected" }).click();
  const error = { type: "E", message: HOSTILE[0] ?? "", hint: HOSTILE[1] ?? "" };
  host.reply(host.last("download"), { begun: [], refused: Object.fromEntries(HOSTILE.map((id) => [id, error])) });
  await expect
    .element(page.getByText(`Download: ${HOSTILE.length} of ${HOSTILE.length} refused.`).first())
    .toBeVisible();
  expect(element.querySelectorAll("img, script, iframe, style, math, a, b").length).toBe(0);
  expect("__pwned" in window).toBe(false);
});

test("many changes at once are told as a summary, and the next ones after a pause", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const rows = manyRows(20);
    const host = new FakeHost({ _rows: rows });
    show(ManagerPanel, host);
    const said = () => document.querySelector("[role=status]")?.textContent;
    const drawn = () => new Promise((resolve) => requestAnimationFrame(resolve));
    host.set("_changes", {
      seq: 1,
      changed: rows.map(({ id }) => row(id, { status: "downloading", stage: "queued" })),
    });
    await drawn();
    expect(said()).toBe("20 models changed: 20 downloading");
    host.set("_changes", { seq: 2, changed: [row("model-00000", { status: "downloading", stage: "resolving" })] });
    host.set("_changes", { seq: 3, changed: [row("model-00000", { status: "downloaded", stage: "downloaded" })] });
    await drawn();
    expect(said()).toBe("20 models changed: 20 downloading");
    await vi.advanceTimersByTimeAsync(1_600);
    await drawn();
    expect(said()).toBe("model-00000: downloaded");
  } finally {
    vi.useRealTimers();
  }
});

test("a view that is hidden keeps its layout", async () => {
  const { element } = show(ManagerPanel, { _rows: manyRows(100) });
  element.style.width = "1200px";
  const table = element.querySelector<HTMLElement>(".rmm-table");
  await expect.poll(() => table?.dataset.layout).toBe("wide");
  const drawn = element.querySelectorAll("[data-index]").length;
  element.style.display = "none";
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(table?.dataset.layout).toBe("wide");
  expect(element.querySelectorAll("[data-index]").length).toBe(drawn);
});
