import { expect, test, vi } from "vitest";
import { page, userEvent } from "vitest/browser";
import type { Row } from "../src/protocol/schema";
import { Notices } from "../src/views/notices";
import { RemoveDialog } from "../src/views/remove-dialog";
import type { ViewState } from "../src/views/state";
import { FakeHost } from "./fake-host";
import { show } from "./mounted";
import { details, HOSTILE, row, usage } from "./samples";

/** A view with a table to go back to, a button for each removal, and what the view says. */
function place(rows: readonly Row[], ids: readonly string[]) {
  let kept: ViewState | undefined;
  function Place({ state }: { state: ViewState }) {
    kept = state;
    const dialog = state.dialog.value;
    return (
      <>
        <Notices state={state} />
        <div role="grid" aria-label="Models" tabIndex={-1} />
        <button
          type="button"
          onClick={() => {
            state.dialog.value = { kind: "remove", ids };
          }}
        >
          Ask
        </button>
        {dialog?.kind === "remove" && <RemoveDialog state={state} ids={dialog.ids} />}
      </>
    );
  }
  const { host, element } = show(Place, { _rows: rows });
  return { host, element, state: kept as unknown as ViewState };
}

async function ask(): Promise<void> {
  await page.getByRole("button", { name: "Ask" }).click();
  await expect.element(page.getByRole("dialog")).toBeVisible();
}

const button = (name: string) => page.getByRole("button", { name, exact: true });
const described = (name: string) => {
  const id = button(name).element().getAttribute("aria-describedby") ?? "";
  return document.getElementById(id)?.textContent;
};

test("it says what is freed and what stays, and begins where Enter does no harm", async () => {
  const { host } = place([row("alpha", { status: "loaded", stage: "loaded" })], ["alpha"]);
  await ask();
  await expect.element(page.getByRole("dialog", { name: "Remove alpha" })).toBeVisible();
  expect(document.activeElement).toBe(button("Cancel").element());
  await expect.element(page.getByText("It is loaded. It is unloaded first.")).toBeVisible();
  host.reply(await host.asked("details"), details("alpha", { unfinished: 5_000_000 }));
  await vi.waitFor(() =>
    expect(described("Delete with its files")).toBe(
      "Frees 1.20 GB. 300 MB are shared with other models and stay. " +
        "What there is of unfinished files (5.00 MB) goes, too.",
    ),
  );
  expect(described("Remove from the list")).toContain("The files stay on disk");
  await userEvent.keyboard("{Enter}");
  await expect.element(page.getByRole("dialog")).not.toBeInTheDocument();
  expect(host.commands.map(({ name }) => name)).toEqual(["details"]);
  expect(document.activeElement?.textContent).toBe("Ask");
});

test("deleting closes it, tells the freed bytes, forgets the model and leads back to the table", async () => {
  const { host, state } = place([row("alpha"), row("beta")], ["alpha"]);
  state.selected.value = new Set(["alpha", "beta"]);
  state.open.value = "alpha";
  await ask();
  await button("Delete with its files").click();
  await expect.element(page.getByText("Deleting…")).toBeVisible();
  await expect.element(button("Remove from the list")).toHaveAttribute("aria-disabled", "true");
  await userEvent.keyboard("{Enter}"); // the button keeps the focus, and asks only once
  expect(host.commands.filter(({ name }) => name === "remove")).toEqual([
    { name: "remove", args: { model_ids: ["alpha"], files: true } },
  ]);
  host.reply(await host.asked("remove"), { freed: 1_200_000_000 });
  await expect.element(page.getByRole("dialog")).not.toBeInTheDocument();
  await expect.element(page.getByText("alpha deleted. Freed 1.20 GB.")).toBeVisible();
  expect(state.announcement.value).toBe("alpha deleted. Freed 1.20 GB.");
  expect([...state.selected.value]).toEqual(["beta"]);
  expect(state.open.value).toBe(null);
  expect(document.activeElement?.getAttribute("role")).toBe("grid");
});

test("removing from the list asks for no files", async () => {
  const { host } = place([row("alpha")], ["alpha"]);
  await ask();
  await button("Remove from the list").click();
  expect(host.last("remove").args).toEqual({ model_ids: ["alpha"], files: false });
  host.reply(await host.asked("remove"), { freed: 0 });
  await expect.element(page.getByText("alpha removed from the list. The files stay.")).toBeVisible();
});

test("several models are summed up, removed in batches, and a failure leaves the rest to try again", async () => {
  const ids = Array.from({ length: 45 }, (_, at) => `model-${at}`);
  const rows = ids.map((id, at) => row(id, at < 2 ? { status: "loaded" } : {}));
  const { host } = place(rows, ids);
  await ask();
  host.reply(
    host.last("usage"),
    usage([
      { id: "model-0", bytes: 900_000_000, freeable: 700_000_000 },
      { id: "model-1", bytes: 300_000_000, freeable: 300_000_000 },
      { id: "another", bytes: 5_000_000_000, freeable: 5_000_000_000 },
    ]),
  );
  expect(host.last("removal").args).toEqual({ model_ids: ids });
  host.reply(await host.asked("removal"), { freed: 1_100_000_000 });
  await vi.waitFor(() =>
    expect(described("Delete with their files")).toBe("Frees 1.10 GB. 100 MB are shared with other models and stay."),
  );
  await expect.element(page.getByText("2 of them are loaded and unloaded first.")).toBeVisible();
  await expect.element(page.getByText("and 37 more")).toBeVisible();
  await button("Delete with their files").click();
  expect(host.last("remove").args).toEqual({ model_ids: ids.slice(0, 20), files: true });
  host.reply(await host.asked("remove"), { freed: 600_000_000 });
  await expect.element(page.getByText("Deleting… 20 of 45 done")).toBeVisible();
  host.refuse(await host.asked("remove"), { type: "OSError", message: "The disk is gone.", hint: "Bring it back." });
  await expect
    .element(page.getByRole("alert"))
    .toHaveTextContent("The disk is gone. Bring it back. 20 of 45 are removed.");
  await button("Delete with their files").click();
  expect(host.last("remove").args).toEqual({ model_ids: ids.slice(20, 40), files: true });
  host.reply(await host.asked("remove"), { freed: 100_000_000 });
  await vi.waitFor(() => expect(host.last("remove").args).toEqual({ model_ids: ids.slice(40), files: true }));
  host.reply(await host.asked("remove"), { freed: 300_000_000 });
  await expect.element(page.getByText("25 models deleted. Freed 400 MB.")).toBeVisible();
});

test("of more than the kernel looks at in one go, the least that comes free is told", async () => {
  const ids = Array.from({ length: 1_001 }, (_, at) => `model-${at}`);
  const { host } = place([], ids);
  await ask();
  const sizes = { id: "model-0", bytes: 900_000_000, freeable: 700_000_000 };
  host.reply(host.last("usage"), usage([sizes]));
  await vi.waitFor(() =>
    expect(described("Delete with their files")).toBe(
      "Frees at least 700 MB. 200 MB are shared with each other or with other models: what still is needed stays.",
    ),
  );
});

test("closed while it runs, it goes on and tells its end", async () => {
  const { host } = place([row("alpha")], ["alpha"]);
  await ask();
  await button("Delete with its files").click();
  await button("Let it go on").click();
  await expect.element(page.getByRole("dialog")).not.toBeInTheDocument();
  await ask();
  host.refuse(await host.asked("remove"), { type: "OSError", message: "It is read-only.", hint: "" });
  await expect.element(page.getByText("It is read-only.")).toBeVisible();
  await expect.element(page.getByRole("dialog")).toBeVisible();
});

test("where the sizes cannot be told, it says so and still removes", async () => {
  const { host } = place([row("alpha")], ["alpha"]);
  await ask();
  host.refuse(await host.asked("details"), { type: "Error", message: "No such model.", hint: "" });
  await vi.waitFor(() =>
    expect(described("Delete with its files")).toBe("How much that frees is not known. No such model."),
  );
  await expect.element(button("Delete with its files")).toHaveAttribute("aria-disabled", "false");
});

test("an answer of another shape frees nothing that is known", async () => {
  const { host } = place([row("alpha")], ["alpha"]);
  for (const [answer, words] of [
    [null, "How much that frees is not known."],
    [{ freeable: "1", size_on_disk: Number.NaN, unfinished: -5 }, "There are no files on disk."],
  ] as const) {
    await ask();
    host.reply(await host.asked("details"), answer);
    await vi.waitFor(() => expect(described("Delete with its files")).toBe(words));
    await userEvent.keyboard("{Escape}");
    await expect.element(page.getByRole("dialog")).not.toBeInTheDocument();
  }
});

test("hostile and endless ids are text, and cut", async () => {
  const ids = [...HOSTILE.slice(0, 7), "x".repeat(10_000_000)];
  const { element, host } = place(
    ids.map((id) => row(id)),
    ids,
  );
  await ask();
  host.refuse(await host.asked("usage"), { type: "Error", message: HOSTILE.join(), hint: "" });
  await expect.element(page.getByText("…")).toBeVisible();
  expect(element.querySelectorAll("img, script, iframe, style, math, a, b").length).toBe(0);
  expect("__pwned" in window).toBe(false);
  expect(element.textContent?.length).toBeLessThan(10_000);
});

test("nobody is asked where nobody listens", async () => {
  const host = new FakeHost({ _rows: [row("alpha")] });
  host.comm_live = false;
  host.alive = false;
  function Place({ state }: { state: ViewState }) {
    return <RemoveDialog state={state} ids={["alpha"]} />;
  }
  show(Place, host);
  await expect.element(button("Delete with its files")).toHaveAttribute("aria-disabled", "true");
  button("Delete with its files")
    .element()
    .dispatchEvent(new MouseEvent("click", { bubbles: true }));
  expect(host.commands.some(({ name }) => name === "remove")).toBe(false);
});
