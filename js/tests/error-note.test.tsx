import { expect, test } from "vitest";
import { page, userEvent } from "vitest/browser";
import type { Fix, Row } from "../src/protocol/schema";
import { allowLine, installLine, pageAddress, repositoryPage } from "../src/views/commands-in-text";
import { ErrorNote } from "../src/views/error-note";
import { Notices } from "../src/views/notices";
import type { ViewState } from "../src/views/state";
import { show } from "./mounted";
import { HOSTILE, row } from "./samples";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const GATED = "Visit https://hub.example/demo/alpha and accept the conditions. Log in with `hf auth login`.";
const MISSING =
  "Run `pip install 'onnxruntime>=1.20'` (in a notebook: %pip install onnxruntime>=1.20), then load the model again.";

function failed(fix: Fix, changes: Partial<Row> = {}): Row {
  return row("alpha", { status: "error", stage: "error", error: "It failed.", fix, actions: ["download"], ...changes });
}

let shownState: ViewState;

/** The note of the first row. */
function Note({ state }: { state: ViewState }) {
  shownState = state;
  const first = state.rows.value[0];
  return first ? <ErrorNote row={first} state={state} /> : null;
}

test.each<[Row["actions"], string]>([
  [["download", "discard"], "download"],
  [["resume", "discard"], "resume"],
  [["load"], "load"],
])("Retry of a row that offers %j sends %s", async (actions, command) => {
  const { host } = show(Note, { _rows: [failed("retry", { actions })] });
  await page.getByRole("button", { name: "Retry alpha" }).click();
  expect(host.commands).toEqual([{ name: command, args: { model_id: "alpha" } }]);
});

test("nothing is offered where nothing fits, and nothing said where nothing failed", async () => {
  const { host } = show(Note, { _rows: [failed("retry", { actions: ["unload"], hint: "Wait." })] });
  await expect.element(page.getByText("It failed.")).toBeVisible();
  await expect.element(page.getByText("Wait.", { exact: true })).toBeVisible();
  expect(page.getByRole("button").elements()).toEqual([]);
  host.set("_rows", [row("alpha")]);
  await expect.element(page.getByText("It failed.")).not.toBeInTheDocument();
});

test("a full disk leads to what the disk holds", async () => {
  show(Note, { _rows: [failed("free-space")] });
  await page.getByRole("button", { name: "Free space for alpha" }).click();
  expect(shownState.dialog.value).toEqual({ kind: "usage" });
  await expect.element(page.getByRole("button", { name: "Retry alpha" })).toBeVisible();
});

test("where memory is short the loaded models can be unloaded, largest first", async () => {
  const { host } = show(Note, {
    _rows: [
      failed("free-memory", { need: 3e9, actions: ["load"] }),
      row("small", { status: "loaded", memory: 1e6, actions: ["unload"] }),
      row("large", { status: "loaded", memory: 2e9, pinned: true, actions: ["unload"] }),
      row("idle"),
    ],
  });
  const opener = page.getByRole("button", { name: "Make room for alpha" });
  await expect.element(opener).toHaveAttribute("aria-expanded", "false");
  await opener.click();
  const lines = page.getByRole("list", { name: "Loaded models" }).getByRole("listitem").elements();
  expect(lines.map((line) => line.textContent)).toEqual([
    "alpha needs about 3.00 GB.",
    "large2.00 GB, pinnedUnload",
    "small1.00 MBUnload",
  ]);
  await page.getByRole("button", { name: "Unload small to make room" }).click();
  expect(host.commands).toEqual([{ name: "unload", args: { model_id: "small" } }]);
  host.set("_rows", [failed("free-memory")]);
  await expect.element(page.getByText("No other model is loaded here.")).toBeVisible();
});

test("a gated model names its page and how to log in, and asks for no token", async () => {
  const { element } = show(Note, { _rows: [failed("log-in", { hint: GATED })] });
  const link = page.getByRole("link");
  await expect.element(link).toHaveAttribute("href", "https://hub.example/demo/alpha");
  await expect.element(link).toHaveAttribute("rel", "noopener noreferrer");
  await expect.element(page.getByText("hf auth login", { exact: true })).toBeVisible();
  expect(element.querySelectorAll("input").length).toBe(0);
});

test("a missing library is a line to copy", async () => {
  show(Note, { _rows: [failed("install", { hint: MISSING, actions: ["load"] })] });
  await expect.element(page.getByText("%pip install onnxruntime>=1.20", { exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Copy: %pip install onnxruntime>=1.20" }).click();
  await expect.element(page.getByText("Copied")).toBeVisible();
  await page.getByRole("button", { name: "Retry alpha" }).click();
});

test("damaged files are repaired by one button", async () => {
  const { host } = show(Note, { _rows: [failed("repair")] });
  await page.getByRole("button", { name: "Repair alpha" }).click();
  expect(host.commands).toEqual([{ name: "repair", args: { model_id: "alpha" } }]);
  host.set("_rows", [failed("repair", { actions: ["repair"] })]);
  await expect.element(page.getByRole("button")).not.toBeInTheDocument();
});

test("no button gives consent to unsafe files", async () => {
  const hint = `Run this in a cell, then load again: manager.allow_unsafe("alpha", commit="${COMMIT}")`;
  const { host } = show(Note, { _rows: [failed("allow", { hint, actions: ["load"] })] });
  await expect.element(page.getByText("Only a cell can allow this, not a button.")).toBeVisible();
  await expect.element(page.getByText(`%rmm allow alpha ${COMMIT}`, { exact: true })).toBeVisible();
  await page.getByRole("button").click();
  expect(host.commands).toEqual([]);
});

test("all is done by keyboard", async () => {
  const { host } = show(Note, { _rows: [failed("free-memory"), row("b", { status: "loaded", actions: ["unload"] })] });
  await userEvent.keyboard("{Tab}{Enter}{Tab}{Tab}{Enter}");
  expect(host.commands).toEqual([{ name: "unload", args: { model_id: "b" } }]);
});

test.each(HOSTILE)("S13 %j in an error is text, and never a link or a line to copy", async (text) => {
  const fixes: Fix[] = ["retry", "free-space", "free-memory", "log-in", "install", "repair", "allow"];
  const { host, element } = show(Note, { _rows: [failed("log-in", { error: text, hint: text, repo: text })] });
  for (const fix of fixes) {
    host.set("_rows", [failed(fix, { id: text, error: text, hint: text, repo: text })]);
  }
  host.set("_rows", [{ ...failed("retry"), error: text, fix: "constructor" as Fix }]);
  await expect.poll(() => element.textContent).toContain(text);
  expect(element.querySelectorAll("img, script, iframe, style, math, a, b").length).toBe(0);
  expect("__pwned" in window).toBe(false);
});

test("S14 only web pages are addresses, and only the repository's own", () => {
  expect(pageAddress("https://hub.example/a/b")).toBe("https://hub.example/a/b");
  for (const text of [
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "https://a:b@c.example/",
    "x",
    "",
  ]) {
    expect(pageAddress(text)).toBeNull();
  }
  expect(repositoryPage("demo/alpha", GATED)).toBe("https://hub.example/demo/alpha");
  expect(repositoryPage("demo/beta", GATED)).toBeNull();
  expect(repositoryPage("demo/alpha", "Visit javascript:alert(1)//demo/alpha")).toBeNull();
});

test("lines to copy hold what they are named after, nothing else", () => {
  expect(installLine("in a notebook: %pip install a[b]>=1, c; rm -rf /")).toBe("%pip install a[b]>=1, c");
  expect(installLine("%pip install x\n!curl evil")).toBe("%pip install x");
  expect(installLine("no line")).toBeNull();
  expect(allowLine("alpha", `commit="${COMMIT}"`)).toBe(`%rmm allow alpha ${COMMIT}`);
  expect(allowLine("a; import os", `commit="${COMMIT}"`)).toBeNull();
  expect(allowLine("alpha", 'commit="short"')).toBeNull();
});

test("the same failure is counted, not repeated, and dismissed at once", async () => {
  function Failing({ state }: { state: ViewState }) {
    shownState = state;
    return <Notices state={state} />;
  }
  const { host } = show(Failing, {});
  const refuse = async (message: string) => {
    const run = shownState.run("load", { model_id: "alpha" });
    host.refuse(host.last("load"), { type: "E", message, hint: "Wait." });
    await run;
  };
  await refuse("It does not fit.");
  await refuse("Another thing.");
  await refuse("It does not fit.");
  await expect.element(page.getByText("2 times")).toBeVisible();
  expect(shownState.notices.value.map(({ message, count }) => [message, count])).toEqual([
    ["Another thing.", 1],
    ["It does not fit.", 2],
  ]);
  await page.getByRole("button", { name: "Dismiss" }).nth(1).click();
  await expect.element(page.getByText("2 times")).not.toBeInTheDocument();
});
