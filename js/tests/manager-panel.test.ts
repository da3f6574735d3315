import { expect, test, vi } from "vitest";
import { page, userEvent } from "vitest/browser";
import { ManagerPanel } from "../src/views/manager-panel";
import { show } from "./mounted";
import { HOSTILE, manyRows, progress, row, summary } from "./samples";

const THREE = [
  row("alpha"),
  row("beta", { status: "downloaded", stage: "downloaded", actions: ["load"] }),
  row("gamma", {
    type: "detection_model",
    status: "loaded",
    stage: "loaded",
    health: "degraded",
    health_reason: "slower than usual",
    memory: 240_000_000,
    device: "cpu",
    actions: ["unload", "health"],
  }),
];

test("the table is a grid named Models with counted rows and named buttons", async () => {
  show(ManagerPanel, { _rows: THREE, _summary: summary() });
  const grid = page.getByRole("grid", { name: "Models" });
  await expect.element(grid).toHaveAttribute("aria-rowcount", "4");
  expect(
    grid
      .getByRole("columnheader")
      .elements()
      .map((cell) => cell.textContent),
  ).toEqual(["Model", "Type", "Size", "Status", "Health", "Memory", "Actions"]);
  const rows = grid.getByRole("row").elements();
  expect(rows.map((element) => element.getAttribute("aria-rowindex"))).toEqual(["1", "2", "3", "4"]);
  for (const name of ["Download alpha", "Load beta", "Unload gamma"]) {
    await expect.element(grid.getByRole("button", { name, exact: true })).toBeEnabled();
  }
  expect(rows[1]?.textContent).toContain("not downloaded");
  expect(rows[1]?.textContent).toContain("1.25 MB");
  expect(rows[3]?.textContent).toContain("240 MB on cpu");
});

test("health is a shape and a word, with its reason", async () => {
  show(ManagerPanel, { _rows: THREE });
  const mark = page.getByTitle("slower than usual");
  await expect.element(mark).toHaveTextContent("degraded");
  expect(mark.element().querySelector("svg path")?.getAttribute("d")).toBeTruthy();
  expect(mark.element().getAttribute("aria-description")).toBe("slower than usual");
});

test("the head line counts, and an empty registry says how to add a model", async () => {
  const { host } = show(ManagerPanel, { _summary: summary({ models: 0, queued: 2 }) });
  await expect.element(page.getByText("0 models")).toBeVisible();
  await expect.element(page.getByText("1 loaded (240 MB)")).toBeVisible();
  await expect.element(page.getByText("1 download running (+2 queued)")).toBeVisible();
  await expect.element(page.getByText("%rmm add owner/name")).toBeVisible();
  host.set("_rows", THREE);
  await expect.element(page.getByText("%rmm add owner/name")).not.toBeInTheDocument();
});

test("only the models asked for are shown, in that order", async () => {
  const { host } = show(ManagerPanel, { _rows: THREE, _model_ids: ["gamma", "alpha", "missing"] });
  const ids = () => [...document.querySelectorAll(".rmm-row .rmm-id")].map((element) => element.textContent);
  expect(ids()).toEqual(["gamma", "alpha"]);
  host.set("_model_ids", null);
  await vi.waitFor(() => expect(ids()).toEqual(["alpha", "beta", "gamma"]));
});

test("a download has a progressbar with figures that move without redrawing the row", async () => {
  const moving = row("alpha", { status: "downloading", stage: "downloading", actions: ["pause", "cancel"] });
  const { host } = show(ManagerPanel, { _rows: [moving], _progress: { alpha: progress() } });
  const bar = page.getByRole("progressbar", { name: "alpha" });
  await expect.element(bar).toHaveAttribute("aria-valuenow", "42");
  await expect.element(bar).toHaveAttribute("aria-valuetext", "42 %, 4.27 MB of 10.0 MB, 1.10 MB/s, 5 s left");
  await expect.element(page.getByText("model.safetensors")).toBeVisible();
  const button = page.getByRole("button", { name: "Cancel alpha" }).element();
  const height = document.querySelector(".rmm-row[data-index]")?.getBoundingClientRect().height;
  host.set("_progress", { alpha: progress({ percent: 99.9, file: "a/very/long/".repeat(30) }) });
  await expect.element(bar).toHaveAttribute("aria-valuenow", "99");
  expect(page.getByRole("button", { name: "Cancel alpha" }).element()).toBe(button);
  expect(document.querySelector(".rmm-row[data-index]")?.getBoundingClientRect().height).toBe(height);
});

test("a note takes the place of the file it is about", async () => {
  const moving = row("alpha", { status: "downloading", stage: "downloading", actions: ["pause", "cancel"] });
  const note = "model.safetensors: through huggingface_hub (Xet); cannot resume inside this file";
  show(ManagerPanel, { _rows: [moving], _progress: { alpha: progress({ note }) } });
  await expect.element(page.getByText(note)).toBeVisible();
  expect(document.querySelector(".rmm-file")?.textContent?.trim()).toBe(note);
});

test("a load has a bar without a value, a paused download says so", async () => {
  show(ManagerPanel, {
    _rows: [
      row("alpha", { status: "loading", stage: "waiting", actions: ["cancel"] }),
      row("beta", { stage: "paused", actions: ["resume", "cancel"] }),
    ],
    _progress: { beta: progress({ phase: "paused", rate: 0, eta: null }) },
  });
  const loading = page.getByRole("progressbar", { name: "alpha" });
  await expect.element(loading).toHaveAttribute("aria-valuetext", "loading, waiting");
  await expect.element(loading).not.toHaveAttribute("aria-valuenow");
  const paused = page.getByRole("progressbar", { name: "beta" });
  await expect.element(paused).toHaveAttribute("aria-valuetext", "42 %, paused, 4.27 MB of 10.0 MB");
});

test("a partial download shows what is kept, and can be resumed or discarded", async () => {
  const kept = progress({ phase: "paused", rate: 0, eta: null, file: "" });
  const stopped = { actions: ["resume", "discard"] as const };
  const { host } = show(ManagerPanel, {
    _rows: [
      row("alpha", { stage: "partial", actions: [...stopped.actions] }),
      row("beta", { status: "error", stage: "error", error: "It stalled.", actions: [...stopped.actions] }),
      row("gamma", { status: "error", stage: "error", error: "It is gone.", actions: ["download"] }),
    ],
    _progress: { alpha: kept, beta: kept },
  });
  await expect.element(page.getByText("not downloaded, partial")).toBeVisible();
  for (const id of ["alpha", "beta"]) {
    const bar = page.getByRole("progressbar", { name: id });
    await expect.element(bar).toHaveAttribute("aria-valuenow", "42");
    await expect.element(bar).toHaveAttribute("aria-valuetext", "42 %, paused, 4.27 MB of 10.0 MB");
  }
  await expect.element(page.getByRole("progressbar", { name: "gamma" })).not.toBeInTheDocument();
  await page.getByRole("button", { name: "Resume alpha", exact: true }).click();
  await page.getByRole("button", { name: "Discard beta", exact: true }).click();
  expect(host.commands).toEqual([
    { name: "resume", args: { model_id: "alpha" } },
    { name: "discard", args: { model_id: "beta" } },
  ]);
});

test("buttons send the command of their row", async () => {
  const { host } = show(ManagerPanel, { _rows: THREE });
  await page.getByRole("button", { name: "Download alpha" }).click();
  await page.getByRole("button", { name: "Unload gamma" }).click();
  await page.getByRole("button", { name: "Check gamma" }).click();
  expect(host.commands).toEqual([
    { name: "download", args: { model_id: "alpha" } },
    { name: "unload", args: { model_id: "gamma" } },
    { name: "health", args: { model_id: "gamma" } },
  ]);
  expect(new Set(host.sent.map(({ rid }) => rid)).size).toBe(host.sent.length);
});

test("a refused command is shown with its hint until it is dismissed", async () => {
  const { host } = show(ManagerPanel, { _rows: THREE });
  await page.getByRole("button", { name: "Load beta" }).click();
  host.refuse(host.last("load"), { type: "LoadError", message: "It does not fit.", hint: "Unload gamma first." });
  const notice = page.getByText("It does not fit.", { exact: true });
  await expect.element(notice).toBeVisible();
  await expect.element(page.getByText("Unload gamma first.", { exact: true })).toBeVisible();
  await expect.element(page.getByRole("status")).toHaveTextContent("It does not fit. Unload gamma first.");
  await page.getByRole("button", { name: "Dismiss" }).click();
  await expect.element(notice).not.toBeInTheDocument();
});

test("beside a refusal stands the button that helps", async () => {
  const { host } = show(ManagerPanel, { _rows: THREE });
  await page.getByRole("button", { name: "Load beta" }).click();
  const error = { type: "NoCapacityError", message: "It does not fit.", hint: "Unload gamma first." };
  host.refuse(host.last("load"), { ...error, fix: "free-memory" });
  await page.getByRole("button", { name: "Make room for beta" }).click();
  await page.getByRole("button", { name: "Unload gamma to make room" }).click();
  expect(host.last("unload").args).toEqual({ model_id: "gamma" });
  await page.getByRole("button", { name: "Retry beta" }).click();
  expect(host.last("load").args).toEqual({ model_id: "beta" });
  host.set("_rows", [THREE[0]]);
  await expect.element(page.getByRole("button", { name: "Retry beta" })).not.toBeInTheDocument();
  await expect.element(page.getByText("It does not fit.", { exact: true })).toBeVisible();
});

test("replies to other views and messages of other kinds are not ours", async () => {
  const { host } = show(ManagerPanel, { _rows: THREE });
  const error = { type: "E", message: "not for you", hint: "" };
  for (const message of [null, 7, "text", { kind: "other" }, { kind: "rmm/reply", rid: "x-1", ok: false, error }]) {
    host.emit("msg:custom", message);
  }
  await page.getByRole("button", { name: "Load beta" }).click();
  host.reply(host.last("load"), null);
  host.refuse(host.last("load"), error);
  await expect.element(page.getByRole("grid")).toBeVisible();
  expect(document.querySelector(".rmm-notice")).toBeNull();
});

test("an error stands in its row with its hint", async () => {
  const failed = row("alpha", { status: "error", stage: "error", error: "The disk is full.", hint: "Free 2 GB." });
  show(ManagerPanel, { _rows: [failed] });
  const cells = page.getByRole("gridcell");
  await expect.element(cells.nth(3)).toHaveTextContent("error");
  await expect.element(page.getByText("The disk is full.")).toBeVisible();
  await expect.element(page.getByText("Free 2 GB.")).toBeVisible();
});

test("hostile text is only ever text", async () => {
  const rows = HOSTILE.map((text, at) =>
    row(`${at} ${text}`, {
      repo: text,
      description: text,
      status: at % 2 ? "error" : "downloading",
      stage: text,
      health: "unhealthy",
      health_reason: text,
      error: text,
      hint: text,
      device: text,
    }),
  );
  const bars = Object.fromEntries(rows.map(({ id }) => [id, progress({ file: id })]));
  const { host, element } = show(ManagerPanel, { _rows: rows, _progress: bars });
  await page.getByRole("button", { name: "Download 0", exact: false }).first().click();
  for (const text of HOSTILE) {
    host.refuse({ ...host.last("download") }, { type: text, message: text, hint: text });
  }
  await page.getByRole("textbox", { name: "Repository or search words" }).fill("words");
  await page.getByRole("button", { name: "Search" }).click();
  const found = { type: null, size: null, downloads: 0, likes: 0, gated: true };
  host.reply(
    host.last("search"),
    HOSTILE.map((text) => ({ ...found, repo: text, licence: text })),
  );
  await page.getByText("Log").click();
  host.reply(
    host.last("log"),
    HOSTILE.map((text, seq) => ({ seq, time: text, type: text, id: text, action: text, text })),
  );
  await expect.element(page.getByText(`${HOSTILE.length} found`)).toBeVisible();
  expect(element.querySelectorAll("img, script, iframe, style, math, a, b").length).toBe(0);
  expect([...element.querySelectorAll("*")].flatMap((node) => node.getAttributeNames()).filter(isHandler)).toEqual([]);
  expect(element.textContent).toContain(HOSTILE[0]);
  expect("__pwned" in window).toBe(false);
});

function isHandler(attribute: string): boolean {
  return attribute.startsWith("on");
}

test("the filter finds words in id, type and status", async () => {
  show(ManagerPanel, { _rows: THREE });
  const grid = page.getByRole("grid");
  const filter = page.getByRole("searchbox", { name: "Filter models" });
  await filter.fill("DETECTION loaded");
  await expect.element(grid).toHaveAttribute("aria-rowcount", "2");
  await expect.element(page.getByRole("button", { name: "Unload gamma" })).toBeVisible();
  await filter.fill("nothing has this");
  await expect.element(page.getByText("No model matches the filter.")).toBeVisible();
  await filter.fill("");
  await expect.element(grid).toHaveAttribute("aria-rowcount", "4");
});

test("of ten thousand rows only those in sight are drawn, and the last can be reached", async () => {
  const before = performance.now();
  const { host } = show(ManagerPanel, { _rows: manyRows(10_000) });
  const grid = page.getByRole("grid");
  await expect.element(grid).toHaveAttribute("aria-rowcount", "10001");
  expect(performance.now() - before).toBeLessThan(10_000);
  const drawn = () => document.querySelectorAll(".rmm-row[data-index]").length;
  expect(drawn()).toBeLessThan(60);
  grid.element().scrollTop = grid.element().scrollHeight;
  await expect.element(page.getByRole("button", { name: "Download model-09999" })).toBeVisible();
  expect(drawn()).toBeLessThan(60);
  const last = page.getByRole("row").last();
  await expect.element(last).toHaveAttribute("aria-rowindex", "10001");
  host.set("_rows", manyRows(3));
  await expect.element(page.getByRole("button", { name: "Download model-00000" })).toBeVisible();
});

test("arrow keys walk through rows and buttons, also where rows are not drawn yet", async () => {
  show(ManagerPanel, { _rows: manyRows(1_000) });
  const focusedRow = () => document.activeElement?.closest("[data-index]")?.getAttribute("data-index");
  (document.querySelector('[data-index="0"]') as HTMLElement).focus();
  await userEvent.keyboard("{ArrowDown}{ArrowDown}");
  expect(focusedRow()).toBe("2");
  await userEvent.keyboard("{ArrowRight}");
  expect(document.activeElement?.getAttribute("aria-label")).toBe("Download model-00002");
  await userEvent.keyboard("{End}");
  await vi.waitFor(() => expect(document.activeElement?.getAttribute("aria-label")).toBe("Download model-00999"));
  await userEvent.keyboard("{ArrowLeft}{Home}");
  await vi.waitFor(() => expect(focusedRow()).toBe("0"));
});

test("all is reachable by Tab, and the keys stay inside the view", async () => {
  const { element } = show(ManagerPanel, { _rows: THREE });
  const keys: string[] = [];
  element.addEventListener("keydown", (event) => keys.push(event.key));
  const reached = new Set<string | null | undefined>();
  for (let presses = 0; presses < 24; presses += 1) {
    await userEvent.keyboard("{Tab}");
    reached.add(document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent);
  }
  // Of the rows, the one where the focus was last; arrow keys lead to the others.
  for (const name of ["Filter models", "Repository or search words", "Type", "Columns", "Model", "Download alpha"]) {
    expect(reached).toContain(name);
  }
  expect(reached).not.toContain("Load beta");
  expect(reached).toContain("Log");
  expect(document.querySelector("[data-lm-suppress-shortcuts]")).not.toBeNull();
  keys.length = 0;
  (document.querySelector('[data-index="0"]') as HTMLElement).focus();
  await userEvent.keyboard("{ArrowDown}");
  expect(keys).toEqual([]);
});

test("the focus stays in the row when its pressed button goes", async () => {
  const { host } = show(ManagerPanel, { _rows: THREE });
  await page.getByRole("button", { name: "Download alpha" }).click();
  host.set("_rows", [
    row("alpha", { status: "downloading", stage: "queued", actions: ["pause", "cancel"] }),
    ...THREE.slice(1),
  ]);
  await expect.element(page.getByRole("button", { name: "Pause alpha" })).toBeVisible();
  expect(document.activeElement?.getAttribute("data-index")).toBe("0");
});

test("the live region tells state changes, not progress", async () => {
  const moving = row("alpha", { status: "downloading", stage: "downloading", actions: ["cancel"] });
  const { host } = show(ManagerPanel, { _rows: [moving], _progress: { alpha: progress() } });
  const region = page.getByRole("status");
  await expect.element(region).toHaveAttribute("aria-live", "polite");
  host.set("_progress", { alpha: progress({ percent: 90 }) });
  await expect.element(page.getByRole("progressbar")).toHaveAttribute("aria-valuenow", "90");
  expect(region.element().textContent).toBe("");
  host.set("_rows", [row("alpha", { status: "downloaded", stage: "downloaded" })]);
  await expect.element(region).toHaveTextContent("alpha: downloaded");
});

test("a repository is added, words are searched for", async () => {
  const { host } = show(ManagerPanel, {});
  const box = page.getByRole("textbox", { name: "Repository or search words" });
  await box.fill("demo/tiny");
  await userEvent.keyboard("{Enter}");
  expect(host.commands).toEqual([{ name: "add", args: { repo: "demo/tiny" } }]);
  host.reply(host.last("add"), null);
  await box.fill("small models");
  await expect.element(page.getByRole("button", { name: "Add", exact: true })).toBeDisabled();
  await page.getByRole("button", { name: "Search" }).click();
  expect(host.last("search").args).toEqual({ query: "small models" });
  host.reply(host.last("search"), [
    { repo: "demo/a", type: "embedding_model", size: 5_000_000, downloads: 1, likes: 1, licence: "mit", gated: false },
  ]);
  await expect.element(page.getByText("embedding model, 5.00 MB, mit")).toBeVisible();
  await page.getByRole("button", { name: "Add demo/a" }).click();
  expect(host.last("add").args).toEqual({ repo: "demo/a" });
});

test("a narrow place stacks the cells without changing roles or heights", async () => {
  show(ManagerPanel, { _rows: THREE }, 320);
  await expect.element(page.getByRole("grid", { name: "Models" })).toHaveAttribute("aria-rowcount", "4");
  await expect.element(page.getByRole("button", { name: "Unload gamma" })).toBeVisible();
  const heights = [...document.querySelectorAll(".rmm-row[data-index]")].map((r) => r.getBoundingClientRect().height);
  expect(new Set(heights).size).toBe(1);
});

test("a view that goes leaves nothing behind", async () => {
  const { host, element, unmount } = show(ManagerPanel, { _rows: THREE });
  expect(host.listeners).toBeGreaterThan(0);
  unmount();
  expect(host.listeners).toBe(0);
  expect(element.childElementCount).toBe(0);
});

test("state of the wrong shape draws an empty panel", async () => {
  show(ManagerPanel, { _rows: "no list", _progress: 3, _summary: [], _model_ids: 7 });
  await expect.element(page.getByRole("grid", { name: "Models" })).toHaveAttribute("aria-rowcount", "1");
});
