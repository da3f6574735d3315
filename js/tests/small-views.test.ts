import { expect, test, vi } from "vitest";
import { page } from "vitest/browser";
import { BadgeList } from "../src/views/badge-list";
import { ProgressList } from "../src/views/progress-list";
import badge from "../src/widgets/badge";
import panel from "../src/widgets/panel";
import progressModule from "../src/widgets/progress";
import table from "../src/widgets/table";
import { FakeHost } from "./fake-host";
import { show } from "./mounted";
import { HOSTILE, manyRows, progress, row } from "./samples";

const MOVING = row("alpha", { status: "downloading", stage: "downloading", actions: ["pause", "cancel"] });

test("DownloadProgress shows a bar and buttons for each id", async () => {
  const { host } = show(ProgressList, {
    _rows: [MOVING, row("beta")],
    _progress: { alpha: progress() },
    _model_ids: ["alpha"],
  });
  await expect.element(page.getByRole("progressbar", { name: "alpha" })).toHaveAttribute("aria-valuenow", "42");
  expect(page.getByRole("listitem").elements().length).toBe(1);
  await page.getByRole("button", { name: "Pause alpha" }).click();
  expect(host.commands).toEqual([{ name: "pause", args: { model_id: "alpha" } }]);
  host.set("_rows", [row("alpha", { status: "downloaded", stage: "downloaded", actions: ["load"] })]);
  await expect.element(page.getByRole("progressbar")).not.toBeInTheDocument();
  await expect.element(page.getByRole("listitem")).toHaveTextContent("downloaded");
  host.set("_rows", [row("beta")]);
  await expect.element(page.getByRole("listitem")).toHaveTextContent("alphano longer registered");
});

test("HealthBadge shows the word, the reason and the error", async () => {
  show(BadgeList, {
    _rows: [
      row("alpha", { status: "error", health: "unhealthy", health_reason: "3 probes missed", error: "It died." }),
    ],
  });
  await expect.element(page.getByTitle("3 probes missed")).toHaveTextContent("unhealthy");
  await expect.element(page.getByText("It died.")).toBeVisible();
});

test.each([
  ["ProgressList", ProgressList],
  ["BadgeList", BadgeList],
])("%s takes hostile text as text", async (_name, view) => {
  const rows = HOSTILE.map((text) =>
    row(text, { status: "error", error: text, hint: text, health: "unhealthy", health_reason: text }),
  );
  const { element } = show(view, { _rows: rows });
  await expect.element(page.getByRole("listitem").first()).toBeVisible();
  expect(element.querySelectorAll("img, script, iframe, style, math, a, b").length).toBe(0);
  expect("__pwned" in window).toBe(false);
});

test.each([
  ["panel", panel, "grid"],
  ["table", table, "grid"],
  ["progress", progressModule, "list"],
  ["badge", badge, "list"],
])("the %s module draws its view for anywidget and takes it away", async (_name, frontEnd, role) => {
  const el = document.createElement("div");
  document.body.append(el);
  const model = new FakeHost({ _rows: [row("alpha")] });
  const { initialize, render } = frontEnd();
  const end = initialize({ model });
  const cleanup = render({ model, el });
  await expect.element(page.getByRole(role as "grid" | "list").first()).toBeVisible();
  cleanup();
  expect(el.childElementCount).toBe(0);
  end();
  expect(model.listeners).toBe(0);
});

test.each([
  ["progress", ProgressList],
  ["badge", BadgeList],
] as const)("of very many models %s draws those that matter first, and more on demand", async (_name, View) => {
  const late = row("late", { status: "downloading", stage: "downloading", health: "healthy" });
  const { element } = show(View, { _rows: [...manyRows(1_000), late] });
  const ids = () => [...element.querySelectorAll(".rmm-id")].map((each) => each.textContent);
  expect(ids().length).toBe(100);
  expect(ids()[0]).toBe("late");
  await page.getByRole("button", { name: "Show more models (901 left)" }).click();
  await vi.waitFor(() => expect(ids().length).toBe(200));
  expect(new Set(ids()).size).toBe(200);
});
