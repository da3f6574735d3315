import { expect, test } from "vitest";
import { page } from "vitest/browser";
import type { Explanation } from "../src/protocol/schema";
import { ErrorNote } from "../src/views/error-note";
import { Notices } from "../src/views/notices";
import { readExplanation } from "../src/views/read-explanation";
import type { ViewState } from "../src/views/state";
import { show } from "./mounted";
import { HOSTILE, row } from "./samples";

const NAME = "GatedModelError";
const EXPLANATION: Explanation = {
  name: NAME,
  meaning: "The authors ask first.",
  steps: ["Log in with `hf auth login`.", "Then `%rmm load ID`."],
  example: 'manager.load_model("ID")\nprint()',
};

let shownState: ViewState;

function Note({ state }: { state: ViewState }) {
  shownState = state;
  const first = state.rows.value[0];
  return (
    <>
      <Notices state={state} />
      {first && <ErrorNote row={first} state={state} />}
    </>
  );
}

const failed = (guide: string) => row("alpha", { status: "error", stage: "error", error: "It failed.", guide });
const more = () => page.getByRole("button", { name: `More about ${NAME}` });

test("what the kernel says of an error is asked for once, shown, and hidden again", async () => {
  const { host, element } = show(Note, { _rows: [failed(NAME)] });
  await expect.element(more()).toHaveAttribute("aria-expanded", "false");
  expect(host.commands).toEqual([]);
  await more().click();
  expect(host.commands).toEqual([{ name: "explain", args: { error: NAME } }]);
  host.reply(await host.asked("explain"), EXPLANATION);
  await expect.element(page.getByText("The authors ask first.")).toBeVisible();
  await expect.element(more()).toHaveAttribute("aria-expanded", "true");
  const steps = page.getByRole("listitem").elements();
  expect(steps.map((step) => step.textContent)).toEqual(["Log in with hf auth login.", "Then %rmm load ID."]);
  const code = [...element.querySelectorAll("code, pre")].map((each) => each.textContent);
  expect(code).toEqual(["hf auth login", "%rmm load ID", EXPLANATION.example]);
  await more().click();
  await expect.element(page.getByText("The authors ask first.")).not.toBeInTheDocument();
  await more().click();
  await expect.element(page.getByText("The authors ask first.")).toBeVisible();
  expect(host.commands.length).toBe(1);
});

test("where the kernel does not tell, the command that does can be copied, and it is asked again", async () => {
  const { host } = show(Note, { _rows: [failed(NAME)] });
  await more().click();
  host.refuse(await host.asked("explain"), { type: "E", message: "Not now.", hint: "" });
  await expect.element(page.getByText("Not now.")).toBeVisible();
  await expect.element(page.getByRole("button", { name: `Copy: %rmm help ${NAME}` })).toBeVisible();
  await more().click();
  await more().click();
  host.reply(await host.asked("explain"), "nonsense");
  await expect.element(page.getByText("The kernel's answer was not understood.")).toBeVisible();
});

test("a command that fails leads there too, and a bug or an older kernel leads nowhere", async () => {
  const { host } = show(Note, {});
  const refuse = async (guide?: string) => {
    const run = shownState.run("load", { model_id: "alpha" });
    host.refuse(host.last("load"), { type: "E", message: `No. ${guide}`, hint: "", ...(guide && { guide }) });
    await run;
  };
  await refuse();
  await expect.element(page.getByText("No. undefined")).toBeVisible();
  await expect.element(more()).not.toBeInTheDocument();
  await refuse(NAME);
  await expect.element(more()).toBeVisible();
});

test.each(HOSTILE)("S13 %j as a name is no way to anything, and as an explanation is text", async (text) => {
  const { host, element } = show(Note, { _rows: [failed(text)] });
  await expect.element(page.getByText("It failed.")).toBeVisible();
  expect(page.getByText("More about").elements()).toEqual([]);
  host.set("_rows", [failed(NAME)]);
  await more().click();
  host.reply(await host.asked("explain"), { name: NAME, meaning: text, steps: [text], example: text });
  await expect.poll(() => element.textContent).toContain(text.replaceAll("`", ""));
  expect(element.querySelectorAll("img, script, iframe, style, math, a, b").length).toBe(0);
  expect("__pwned" in window).toBe(false);
});

test("an explanation is read within bounds", () => {
  const long = "x".repeat(5_000);
  const read = readExplanation({ name: NAME, meaning: long, steps: [1, ...Array(50).fill(long)], example: null });
  expect(read?.meaning.length).toBe(1_000);
  expect(read?.steps.length).toBe(19);
  expect(read?.example).toBe("");
  for (const answer of [null, 3, "text", [], {}, { name: NAME, meaning: "" }]) {
    expect(readExplanation(answer)).toBeNull();
  }
});
