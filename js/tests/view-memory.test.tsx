/** What the user has set up outlives a view, where the host lends it a memory. */
import { afterEach, expect, test } from "vitest";
import { page, userEvent } from "vitest/browser";
import "../style/rmm.css";
import { ManagerPanel } from "../src/views/manager-panel";
import { mount } from "../src/views/mount";
import { ViewMemory } from "../src/views/view-memory";
import { FakeHost } from "./fake-host";
import { details, row, setting } from "./samples";

const STATE = {
  _rows: [
    row("alpha", { type: "embedding_model", status: "loaded", actions: ["unload"] }),
    row("beta", { type: "embedding_model" }),
    row("gamma", { type: "detection_model", repo: "owner/gamma" }),
  ],
};
const taken: (() => void)[] = [];

afterEach(() => {
  for (const take of taken.splice(0)) {
    take();
  }
  document.body.replaceChildren();
});

/** A panel whose answers a test gives; `hide` takes it away. */
function panel(memory: ViewMemory, host = new FakeHost(STATE)) {
  const element = document.createElement("div");
  element.style.width = "1000px";
  document.body.append(element);
  const hide = mount(ManagerPanel, host, element, { memory });
  taken.push(hide);
  return { host, element, hide };
}

async function opened(host: FakeHost): Promise<void> {
  host.reply(await host.asked("details"), details("alpha", { tags: [], settings: [setting("batch_size", "whole")] }));
}

test("filter, sort, columns, details with their tab, and what was typed are there again", async () => {
  const memory = new ViewMemory();
  const first = panel(memory);
  await page.getByLabelText("Filter models").fill("embedding");
  await page.getByRole("columnheader", { name: "Model" }).getByRole("button").click();
  await page.getByRole("button", { name: "Columns" }).click();
  await page.getByRole("checkbox", { name: "Size" }).click();
  await userEvent.keyboard("{Escape}");
  memory.open.value = "alpha";
  await opened(first.host);
  await page.getByRole("tab", { name: "Settings" }).click();
  await page.getByRole("spinbutton", { name: "batch size" }).fill("77");
  first.hide();
  expect(first.host.listeners).toBe(0);

  const elsewhere = document.createElement("button");
  document.body.append(elsewhere);
  elsewhere.focus();
  const second = panel(memory);
  await opened(second.host);
  await expect.element(page.getByLabelText("Filter models")).toHaveValue("embedding");
  await expect.element(page.getByRole("columnheader", { name: "Model" })).toHaveAttribute("aria-sort", "ascending");
  await expect.element(page.getByRole("columnheader", { name: "Size" })).not.toBeInTheDocument();
  await expect.element(page.getByRole("grid")).toHaveAttribute("aria-rowcount", "3");
  await expect.element(page.getByRole("tab", { name: "Settings" })).toHaveAttribute("aria-selected", "true");
  await expect.element(page.getByRole("spinbutton", { name: "batch size" })).toHaveValue(77);
  expect(document.activeElement, "a view that comes back takes no focus").toBe(elsewhere);
});

test("details that are opened anew begin with the first tab and take the focus", async () => {
  const memory = new ViewMemory();
  memory.open.value = "alpha";
  memory.tab.value = 1;
  const { host } = panel(memory);
  await opened(host);
  await expect.element(page.getByRole("tab", { name: "Try it" })).toHaveAttribute("aria-selected", "true");
  memory.open.value = "beta";
  host.reply(await host.asked("details"), details("beta", { tags: [] }));
  await expect.element(page.getByRole("tab", { name: "Overview" })).toHaveAttribute("aria-selected", "true");
  await expect.element(page.getByRole("heading", { name: "beta" })).toHaveFocus();
  memory.open.value = "alpha";
  await opened(host);
  await expect.element(page.getByRole("heading", { name: "alpha" })).toHaveFocus();
});

test("a trial outlives its view; one that runs is stopped, and that is said", async () => {
  const memory = new ViewMemory();
  memory.open.value = "alpha";
  memory.tab.value = 1;
  const first = panel(memory);
  await opened(first.host);
  await page.getByLabelText("First text").fill("a cat");
  await page.getByLabelText("Second text").fill("a kitten");
  const run = page.getByRole("button", { name: "Run", exact: true });
  await run.click();
  first.host.reply(await first.host.asked("try"), { kind: "similarity", similarity: 0.876, seconds: 0.01 });
  await expect.element(page.getByText("0.876")).toBeVisible();
  first.hide();

  const second = panel(memory);
  await opened(second.host);
  await expect.element(page.getByText("0.876")).toBeVisible();
  await expect.element(page.getByLabelText("First text")).toHaveValue("a cat");
  await run.click();
  await second.host.asked("try");
  second.hide();
  expect(second.host.commands.at(-1)).toEqual({ name: "stop", args: { model_id: "alpha" } });
  expect(
    first.host.commands.map(({ name }) => name),
    "nothing ran when it was hidden",
  ).not.toContain("stop");

  const third = panel(memory);
  await opened(third.host);
  const words = page.getByText("It was stopped when this view was hidden. Run it again.");
  await expect.element(words).toBeVisible();
  await run.click();
  third.host.reply(await third.host.asked("try"), { kind: "similarity", similarity: 0.5, seconds: 0.01 });
  await expect.element(page.getByText("0.500")).toBeVisible();
  await expect.element(words).not.toBeInTheDocument();
});

test("the trials of the last eight models are kept", () => {
  const memory = new ViewMemory();
  const ids = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
  const trials = ids.map((id) => memory.trial(id));
  expect(memory.trial("b")).toBe(trials[1]);
  expect(memory.trial("a"), "the oldest was let go").not.toBe(trials[0]);
});
