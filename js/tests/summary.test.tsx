import { expect, test, vi } from "vitest";
import { page } from "vitest/browser";
import { NoModels, NothingMatches } from "../src/views/empty-state";
import type { ViewState } from "../src/views/state";
import { SummaryHeader } from "../src/views/summary-header";
import { UsageForm } from "../src/views/usage-dialog";
import type { FakeHost } from "./fake-host";
import { show } from "./mounted";
import { HOSTILE, summary } from "./samples";

let shownState: ViewState;

function Head({ state }: { state: ViewState }) {
  shownState = state;
  return <SummaryHeader state={state} />;
}

/** The command of that name, once it was sent. */
function sent(host: FakeHost, name: string) {
  return vi.waitFor(() => host.last(name));
}

const USAGE = {
  models: [
    { id: "small", bytes: 1e6, freeable: 1e6, unfinished: 0 },
    { id: "large", bytes: 4e9, freeable: 3e9, unfinished: 5e8 },
  ],
  unfinished: 1.2e9,
  total: 100e9,
  free: 5e9,
};

test("the head says models, memory against the budget, downloads and their rate", async () => {
  const { host } = show(Head, { _summary: summary({ downloads: 2, queued: 3, rate: 3_200_000 }) });
  for (const words of ["3 models", "2 downloaded", "2 downloads running (+3 queued)", "3.20 MB/s"]) {
    await expect.element(page.getByText(words, { exact: true })).toBeVisible();
  }
  const meter = page.getByRole("meter", { name: "Memory of loaded models" });
  await expect.element(meter).toHaveAttribute("aria-valuenow", "240000000");
  await expect.element(meter).toHaveAttribute("aria-valuetext", "240 MB of 8.00 GB");
  host.set("_summary", summary({ memory: 9e9 }));
  await expect.element(meter).toHaveAttribute("aria-valuetext", "9.00 GB of 8.00 GB, over the budget");
  await expect.element(meter).toHaveAttribute("aria-valuenow", "8000000000");
  await expect.element(page.getByText("Memory: 9.00 GB of 8.00 GB, over the budget")).toBeVisible();
  host.set("_summary", summary({ memory: 7.9e9 }));
  await expect.element(meter).toHaveAttribute("aria-valuetext", "7.90 GB of 8.00 GB, nearly full");
  host.set("_summary", summary({ budget: 0 }));
  await expect.element(meter).not.toBeInTheDocument();
});

test("the head leads to the Hub and the disk", async () => {
  show(Head, {});
  await page.getByRole("button", { name: "Browse the Hub" }).click();
  expect(shownState.dialog.value).toEqual({ kind: "search" });
  await page.getByRole("button", { name: "Disk use" }).click();
  expect(shownState.dialog.value).toEqual({ kind: "usage" });
});

test("the disk's models stand largest first and lead to their removal with the bytes it frees", async () => {
  function Usage({ state }: { state: ViewState }) {
    shownState = state;
    return <UsageForm state={state} />;
  }
  const { host } = show(Usage, {});
  await expect.element(page.getByText("Measuring the disk…")).toBeVisible();
  host.reply(await sent(host, "usage"), USAGE);
  const rows = () => page.getByRole("row").elements();
  await expect.poll(() => rows().length).toBe(3);
  expect(rows().map((line) => line.textContent)).toEqual([
    "ModelOn diskRemoval freesUnfinished",
    "large4.00 GB3.00 GB500 MB",
    "small1.00 MB1.00 MB–",
  ]);
  await expect
    .element(page.getByRole("meter", { name: "Disk" }))
    .toHaveAttribute("aria-valuetext", "5.00 GB free of 100 GB");
  const remove = page.getByRole("button", { name: "Remove…" });
  await expect.element(remove).toBeDisabled();
  await page.getByRole("checkbox", { name: "large" }).click();
  await expect.element(page.getByText("1 chosen, 3.00 GB to free")).toBeVisible();
  await remove.click();
  expect(shownState.dialog.value).toEqual({ kind: "remove", ids: ["large"] });
});

test("unfinished files are deleted after a second press, and the bytes told", async () => {
  const { host } = show(UsageForm, {});
  host.reply(await sent(host, "usage"), USAGE);
  await page.getByRole("button", { name: "Clean up unfinished files" }).click();
  const keep = page.getByRole("button", { name: "Keep them" });
  await expect.element(keep).toHaveFocus();
  await keep.click();
  await expect.element(page.getByRole("group", { name: "Unfinished files" })).toHaveFocus();
  expect(host.commands.map(({ name }) => name)).toEqual(["usage"]);
  await page.getByRole("button", { name: "Clean up unfinished files" }).click();
  await page.getByRole("button", { name: "Delete up to 1.20 GB" }).click();
  expect(host.commands.at(-1)).toEqual({ name: "prune", args: {} });
  host.reply(host.last("prune"), { freed: 7e8 });
  await expect.poll(() => host.commands.length).toBe(3);
  host.reply(await sent(host, "usage"), { ...USAGE, unfinished: 5e8 });
  await expect.element(page.getByText("500 MB of unfinished files; 700 MB came free")).toBeVisible();
  await expect.element(page.getByRole("status")).toHaveTextContent("700 MB came free");
});

test("a disk that cannot be measured says why, and is measured again on demand", async () => {
  const { host } = show(UsageForm, {});
  host.refuse(await sent(host, "usage"), { type: "E", message: "The cache cannot be read.", hint: "" });
  await page.getByRole("button", { name: "Try again" }).click();
  host.reply(await sent(host, "usage"), { models: [], unfinished: 0, total: 100e9, free: 50e9 });
  await expect.element(page.getByText("No model has files on the disk.")).toBeVisible();
  await expect.element(page.getByRole("button", { name: "Clean up unfinished files" })).toBeDisabled();
});

test("S14 a disk of ten thousand models is drawn in part, and hostile ids are text", async () => {
  const many = Array.from({ length: 10_000 }, (_, at) => ({ id: `m${at}`, bytes: at, freeable: at, unfinished: 0 }));
  const hostile = HOSTILE.map((id) => ({ id, bytes: 1e9, freeable: 0, unfinished: 0 }));
  const { host, element } = show(UsageForm, {});
  host.reply(await sent(host, "usage"), { ...USAGE, models: [...many, ...hostile] });
  await expect.element(page.getByText(`and ${9_500 + HOSTILE.length} smaller ones`)).toBeVisible();
  expect(page.getByRole("row").elements().length).toBe(501);
  expect(element.querySelectorAll("img, script, iframe, style, math, a, b").length).toBe(0);
});

test("an empty registry says what to do in three lines", async () => {
  function First({ state }: { state: ViewState }) {
    shownState = state;
    return <NoModels state={state} />;
  }
  show(First, {});
  expect(page.getByRole("listitem").elements().length).toBe(3);
  await expect.element(page.getByText("%rmm add owner/name", { exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Browse the Hub" }).click();
  expect(shownState.dialog.value).toEqual({ kind: "search" });
});

test("a filter that leaves nothing can be cleared on the spot", async () => {
  let cleared = 0;
  show(
    () => (
      <NothingMatches
        onClear={() => {
          cleared += 1;
        }}
      />
    ),
    {},
  );
  await page.getByRole("button", { name: "Show all" }).click();
  expect(cleared).toBe(1);
});
