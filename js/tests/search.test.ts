import { expect, test, vi } from "vitest";
import { page, userEvent } from "vitest/browser";
import type { SearchResult } from "../src/protocol/schema";
import { HubSearch } from "../src/views/hub-search";
import { SearchForm } from "../src/views/search-dialog";
import { show } from "./mounted";
import { HOSTILE, row } from "./samples";

function result(repo: string, changes: Partial<SearchResult> = {}): SearchResult {
  return {
    repo,
    type: "embedding_model",
    size: 91_000_000,
    downloads: 1_234_567,
    likes: 1,
    licence: "apache-2.0",
    gated: false,
    need: 130_000_000,
    fits: "yes",
    safety: "safetensors",
    registered: "",
    ...changes,
  };
}

async function search(words: string): Promise<void> {
  await page.getByRole("textbox", { name: "Words, or owner/name" }).fill(words);
  await userEvent.keyboard("{Enter}");
}

function lineOf(repo: string) {
  return page.getByRole("listitem").filter({ hasText: repo });
}

test("results say type, size, memory, whether they fit, licence, gate and downloads", async () => {
  const { host } = show(SearchForm, {});
  await search("tiny");
  await expect.element(page.getByText("Asking the Hub…")).toBeVisible();
  expect(host.last("search").args).toEqual({ query: "tiny" });
  host.reply(host.last("search"), [
    result("demo/a"),
    result("demo/b", { fits: "tight", gated: true }),
    result("demo/c", { fits: "no", need: 9e9 }),
    result("demo/d", { fits: "unknown", need: null, type: null, size: null, licence: "", downloads: 0, likes: 0 }),
  ]);
  await expect.element(lineOf("demo/a")).toHaveTextContent("embedding model, 91.0 MB, apache-2.0");
  await expect.element(lineOf("demo/a")).toHaveTextContent("1.2M downloads, 1 like");
  await expect.element(page.getByText("Asking the Hub…")).not.toBeInTheDocument();
  const said = [
    "fits here, needs 130 MB",
    "fits if others leave",
    "too large for here, needs 9.00 GB",
    "memory unknown",
  ];
  const marks = [...document.querySelectorAll(".rmm-fits")];
  for (const [at, words] of said.entries()) {
    expect(marks[at]?.textContent).toContain(words);
  }
  expect(new Set(marks.map((mark) => mark.querySelector("path")?.getAttribute("d"))).size).toBe(4);
  const gate = page.getByText("gated").element();
  expect(gate.getAttribute("aria-description")).toContain("ask for an agreement");
  await expect.element(page.getByRole("status")).toHaveTextContent("Found 4 repositories");
});

test("a type narrows the search", async () => {
  const { host } = show(SearchForm, {});
  await page.getByRole("combobox", { name: "Type of model" }).selectOptions("detection model");
  await search("small");
  expect(host.last("search").args).toEqual({ query: "small", type: "detection_model" });
  host.reply(host.last("search"), []);
  await expect.element(page.getByText("Nothing found.")).toBeVisible();
  await expect.element(page.getByText(/fewer or other words/)).toBeVisible();
});

test("a size narrows the search", async () => {
  const { host } = show(SearchForm, {});
  await page.getByRole("combobox", { name: "Size of the model" }).selectOptions("up to 2.00 GB");
  await search("small");
  expect(host.last("search").args).toEqual({ query: "small", max_size: 2e9 });
});

test("a result is added, under a name of the user's choice, and then says how it is registered", async () => {
  const { host } = show(SearchForm, { _rows: [row("mine", { repo: "demo/b" })] });
  await search("tiny");
  host.reply(host.last("search"), [result("demo/a"), result("demo/b"), result("demo/c", { registered: "c" })]);
  await expect.element(lineOf("demo/b")).toHaveTextContent("Registered as mine");
  await expect.element(lineOf("demo/c")).toHaveTextContent("Registered as c");
  await expect.element(page.getByRole("button", { name: "Add demo/c" })).not.toBeInTheDocument();
  await page.getByRole("button", { name: "Choose a name for demo/a" }).click();
  const name = page.getByRole("textbox", { name: "Name for demo/a" });
  await expect.element(name).toHaveFocus();
  await name.fill("first");
  await userEvent.keyboard("{Enter}");
  expect(host.commands.at(-1)).toEqual({ name: "add", args: { repo: "demo/a", model_id: "first" } });
  host.reply(host.last("add"), { id: "first" });
  await expect.element(lineOf("demo/a")).toHaveTextContent("Registered as first");
  await expect.element(page.getByRole("status")).toHaveTextContent("Added first");
  expect(document.activeElement?.textContent).toContain("Registered as first");
});

test("a repository's full name is added without a search", async () => {
  const { host } = show(SearchForm, {});
  await page.getByRole("combobox", { name: "Type of model" }).selectOptions("embedding model");
  await page.getByRole("textbox", { name: "Words, or owner/name" }).fill("demo/tiny");
  await page.getByRole("button", { name: "Add demo/tiny" }).click();
  expect(host.commands).toEqual([{ name: "add", args: { repo: "demo/tiny", type: "embedding_model" } }]);
});

test("one thing is done at a time, and the pressed button keeps the focus", async () => {
  const { host } = show(SearchForm, {});
  await search("tiny");
  const button = page.getByRole("button", { name: "Search" });
  await expect.element(button).toHaveAttribute("aria-disabled", "true");
  const element = button.element() as HTMLElement;
  element.focus();
  element.click();
  await userEvent.keyboard("{Enter}");
  expect(host.commands.length).toBe(1);
  host.reply(host.last("search"), [result("demo/a")]);
  await expect.element(page.getByText("1 found")).toBeVisible();
  await expect.element(button).toHaveAttribute("aria-disabled", "false");
  expect(document.activeElement).toBe(element);
});

test.each([
  ["dialog", SearchForm],
  ["launcher", HubSearch],
])("a failed search of the %s says why and can be tried again", async (_name, view) => {
  const { host } = show(view, {});
  await page.getByRole("textbox").fill("tiny");
  await userEvent.keyboard("{Enter}");
  host.refuse(host.last("search"), { type: "HubUnavailableError", message: "No way to the Hub.", hint: "Wait a bit." });
  await expect.element(page.getByText("No way to the Hub.", { exact: true }).first()).toBeVisible();
  await page.getByRole("button", { name: "Try again" }).click();
  expect(host.commands.map(({ name }) => name)).toEqual(["search", "search"]);
  await expect.element(page.getByRole("button", { name: "Try again" })).not.toBeInTheDocument();
  host.reply(host.last("search"), [result("demo/a")]);
  await expect.element(page.getByText("1 found")).toBeVisible();
  await page.getByRole("button", { name: "Close results" }).click();
  await expect.element(page.getByText("1 found")).not.toBeInTheDocument();
});

test("answers of unknown shape are no results", async () => {
  const { host } = show(SearchForm, {});
  await search("tiny");
  host.reply(host.last("search"), { not: "a list" });
  await expect.element(page.getByText("Nothing found.")).toBeVisible();
  await search("again");
  host.reply(host.last("search"), [{ ...result("demo/a"), fits: "constructor" }]);
  await expect.element(lineOf("demo/a")).toHaveTextContent("memory unknown");
});

test("S13 what the Hub says is only ever text", async () => {
  const { host, element } = show(SearchForm, {});
  await search("tiny");
  host.reply(
    host.last("search"),
    HOSTILE.map((text) => result(text, { licence: text, safety: text, registered: text, gated: true })),
  );
  await expect.element(page.getByText(`${HOSTILE.length} found`)).toBeVisible();
  host.refuse(host.last("search"), { type: "E", message: HOSTILE[0] ?? "", hint: "" });
  expect(element.querySelectorAll("img, script, iframe, style, math, a, b").length).toBe(0);
  expect("__pwned" in window).toBe(false);
});

test("a search that is answered after its view is gone changes nothing", async () => {
  const { host, unmount } = show(SearchForm, {});
  await search("tiny");
  const asked = host.last("search");
  unmount();
  host.reply(asked, [result("demo/a")]);
  await vi.waitFor(() => expect(host.listeners).toBe(0));
});
