import { type Signal, signal } from "@preact/signals";
import { expect, test, vi } from "vitest";
import { page, userEvent } from "vitest/browser";
import type { Setting } from "../src/protocol/schema";
import {
  changesOf,
  type Draft,
  type Drafts,
  draftOf,
  ownDraft,
  readDraft,
  valueWords,
  withoutSettled,
} from "../src/views/details/settings-draft";
import { SettingsForm } from "../src/views/details/settings-form";
import type { ViewState } from "../src/views/state";
import { show } from "./mounted";
import { HOSTILE, setting } from "./samples";

const SETTINGS = [
  setting("force_cpu", "flag", { at_load: true }),
  setting("batch_size", "whole", { value: 16, default: 8, minimum: 1, maximum: 4096, note: "Images in one run." }),
  setting("confidence", "number", { minimum: 0, maximum: 1 }),
  setting("dtype", "choice", { at_load: true }),
  setting("file", "text", { value: null, default: null, optional: true, at_load: true }),
  setting("input_size", "size", { value: [480, 640], default: null, optional: true, minimum: 1, maximum: 16_384 }),
];

function place(settings: readonly Setting[], isLoaded = true) {
  const drafts: Signal<Drafts> = signal({});
  const current = signal(settings);
  const onApplied = vi.fn();
  function Place({ state }: { state: ViewState }) {
    return (
      <div class="rmm-details">
        <SettingsForm
          state={state}
          id="alpha"
          settings={current.value}
          isLoaded={isLoaded}
          drafts={drafts}
          onApplied={onApplied}
        />
      </div>
    );
  }
  return { ...show(Place, {}), drafts, current, onApplied };
}

const field = (label: string) => page.getByLabelText(label, { exact: true });
const button = (name: string) => page.getByRole("button", { name, exact: true });
const described = (element: Element) =>
  (element.getAttribute("aria-describedby") ?? "")
    .split(" ")
    .map((id) => document.getElementById(id)?.textContent)
    .join(" ");

test("each kind has its control with the value in force, its limits, note and default", async () => {
  place(SETTINGS);
  await expect.element(page.getByRole("checkbox", { name: "force cpu" })).not.toBeChecked();
  const batch = page.getByRole("spinbutton", { name: "batch size" });
  await expect.element(batch).toHaveValue(16);
  expect([batch.element().getAttribute("min"), batch.element().getAttribute("max")]).toEqual(["1", "4096"]);
  expect(described(batch.element())).toBe("Images in one run. Default: 8.");
  await expect.element(page.getByRole("spinbutton", { name: "confidence" })).toHaveAttribute("step", "any");
  await expect.element(page.getByRole("combobox", { name: "dtype" })).toHaveValue("auto");
  expect(described(field("dtype").element())).toBe("Default: auto. Takes effect at the next load.");
  await expect.element(page.getByRole("checkbox", { name: "file: the model's own" })).toBeChecked();
  const size = page.getByRole("group", { name: "input size" });
  await expect.element(size.getByRole("spinbutton", { name: "Height" })).toHaveValue(480);
  await expect.element(size.getByRole("spinbutton", { name: "Width" })).toHaveValue(640);
});

test("only what changed is sent; a new value for a loaded model's load is said to wait", async () => {
  const { host, current, drafts, onApplied } = place(SETTINGS);
  await expect.element(button("Apply")).toHaveAttribute("aria-disabled", "true");
  await userEvent.fill(field("batch size"), "32");
  await field("force cpu").click();
  await page.getByRole("checkbox", { name: "file: the model's own" }).click();
  await userEvent.fill(page.getByRole("textbox", { name: "file" }), "q4.gguf");
  await userEvent.selectOptions(field("dtype"), "float16");
  await userEvent.fill(page.getByRole("spinbutton", { name: "Width" }), "800");
  await userEvent.fill(field("confidence"), "0.50"); // the same as before, written otherwise
  await button("Apply").click();
  const config = { batch_size: 32, force_cpu: true, file: "q4.gguf", dtype: "float16", input_size: [480, 800] };
  expect(host.last("configure").args).toEqual({ model_id: "alpha", config });
  await expect.element(button("Applying…")).toHaveAttribute("aria-disabled", "true");
  await userEvent.keyboard("{Enter}");
  expect(host.commands.length).toBe(1);
  host.reply(host.last("configure"), { problems: {} });
  await expect.element(page.getByRole("status")).toHaveTextContent("Applied; force cpu, dtype, file at the next load.");
  expect(onApplied).toHaveBeenCalledOnce();
  expect(document.activeElement?.textContent).toBe("Apply");
  const values = config as Record<string, unknown>;
  current.value = SETTINGS.map((one) => ({
    ...one,
    value: Object.hasOwn(values, one.key) ? values[one.key] : one.value,
  }));
  drafts.value = withoutSettled(current.value, drafts.value);
  expect(drafts.value).toEqual({});
  await expect.element(button("Apply")).toHaveAttribute("aria-disabled", "true");
  await expect.element(field("batch size")).toHaveValue(32);
});

test("a wrong value is said at its field, tied to it, and nothing is sent", async () => {
  const { host } = place(SETTINGS);
  for (const [typed, problem] of [
    ["0", "It must be from 1 to 4096."],
    ["4097", "It must be from 1 to 4096."],
    ["1.5", "It must be a whole number."],
    ["", "Give a whole number."],
  ] as const) {
    await userEvent.fill(field("batch size"), typed);
    await expect.element(field("batch size")).toHaveAttribute("aria-invalid", "true");
    expect(described(field("batch size").element())).toContain(problem);
  }
  await button("Apply").click();
  expect(host.commands).toEqual([]);
  expect(document.activeElement).toBe(field("batch size").element());
  await userEvent.fill(field("batch size"), "16");
  await expect.element(field("batch size")).toHaveAttribute("aria-invalid", "false");
  await expect.element(button("Apply")).toHaveAttribute("aria-disabled", "true");
});

test("Reset gives the default, Undo what is in force", async () => {
  const { host } = place(SETTINGS);
  await button("Reset batch size").click();
  await expect.element(field("batch size")).toHaveValue(8);
  await expect.element(button("Reset batch size")).toHaveAttribute("aria-disabled", "true");
  await button("Reset input size").click();
  await expect.element(page.getByRole("checkbox", { name: "input size: the model's own" })).toBeChecked();
  await button("Apply").click();
  expect(host.last("configure").args).toEqual({ model_id: "alpha", config: { batch_size: 8, input_size: null } });
  host.reply(host.last("configure"), { problems: { batch_size: "Not with this loader." } });
  await expect.element(page.getByText("Not with this loader.")).toBeVisible();
  await button("Undo changes").click();
  await expect.element(field("batch size")).toHaveValue(16);
  await expect.element(page.getByText("Not with this loader.")).not.toBeInTheDocument();
});

test("what the kernel refuses is said at its field until that is edited; the rest above the buttons", async () => {
  const { host, onApplied } = place(SETTINGS);
  await userEvent.fill(field("confidence"), "0.9");
  await userEvent.fill(field("batch size"), "9");
  await userEvent.keyboard("{Enter}");
  host.reply(host.last("configure"), { problems: { confidence: "Too sure.", "": "They do not fit.", x: "Unknown." } });
  await expect.element(page.getByRole("alert")).toHaveTextContent("They do not fit. x: Unknown.");
  expect(described(field("confidence").element())).toContain("Too sure.");
  await vi.waitFor(() => expect(document.activeElement).toBe(field("confidence").element()));
  await userEvent.fill(field("confidence"), "0.8");
  await expect.element(page.getByText("Too sure.")).not.toBeInTheDocument();
  await button("Apply").click();
  host.refuse(host.last("configure"), { type: "Error", message: "It is gone.", hint: "Add it again." });
  await expect.element(page.getByRole("alert")).toHaveTextContent("It is gone. Add it again.");
  await button("Apply").click();
  host.reply(host.last("configure"), "done");
  await expect.element(page.getByRole("alert")).toHaveTextContent("The kernel's answer was not understood.");
  expect(onApplied).not.toHaveBeenCalled();
});

test("without a loaded model nothing waits, and without settings there is no form", async () => {
  const { host, unmount } = place(SETTINGS, false);
  await field("force cpu").click();
  await button("Apply").click();
  host.reply(host.last("configure"), { problems: {} });
  await expect.element(page.getByRole("status")).toHaveTextContent(/^Applied\.$/);
  unmount();
  place([]);
  await expect.element(page.getByText("This model has no settings.")).toBeVisible();
});

test("every control has a name and a target of 24 pixels or more, also in a narrow place", async () => {
  const { element } = place(SETTINGS);
  element.style.width = "260px";
  await page.getByRole("checkbox", { name: "file: the model's own" }).click();
  for (const control of element.querySelectorAll<HTMLElement>("button, select, input:not([type='checkbox'])")) {
    const { width, height, right } = control.getBoundingClientRect();
    expect(width >= 24 && height >= 24, control.outerHTML).toBe(true);
    expect(right).toBeLessThanOrEqual(element.getBoundingClientRect().right);
  }
});

test("drafts: reading, own values, words", () => {
  const size = setting("s", "size", { optional: true, value: null, default: null, minimum: 1, maximum: 100 });
  const cases: [Setting, Draft, unknown][] = [
    [size, null, { value: null }],
    [size, ["1", "100"], { value: [1, 100] }],
    [size, ["0", "1"], { problem: "Height: It must be from 1 to 100." }],
    [size, ["1", "x"], { problem: "Width: Give a whole number." }],
    [setting("n", "number", { minimum: 0 }), "-1", { problem: "It must be 0 or more." }],
    [setting("n", "number", { maximum: 2 }), "3", { problem: "It must be 2 or less." }],
    [setting("n", "number"), "1e400", { problem: "Give a number." }],
    [setting("n", "number"), " 0.25 ", { value: 0.25 }],
    [setting("w", "whole"), "9007199254740993", { problem: "It must be a whole number." }],
    [setting("t", "text"), "  ", { problem: "It must not be empty." }],
    [setting("t", "text"), "x".repeat(1_025), { problem: "At most 1024 characters." }],
    [setting("c", "choice"), "other", { problem: "Choose one of the list." }],
    [setting("f", "flag"), true, { value: true }],
  ];
  for (const [one, draft, reading] of cases) {
    expect(readDraft(one, draft)).toEqual(reading);
  }
  expect(ownDraft(size)).toEqual(["", ""]);
  expect(ownDraft(setting("c", "choice", { value: null, default: null, optional: true }))).toBe("auto");
  expect(draftOf(setting("f", "flag"), "true")).toBe(false);
  expect([null, true, false, [1, 2], "x", 0.5].map(valueWords)).toEqual([
    "the model's own",
    "yes",
    "no",
    "1 × 2",
    "x",
    "0.5",
  ]);
});

test("keys that every object has are keys like others", () => {
  const odd = [setting("constructor", "whole"), setting("__proto__", "whole"), setting("toString", "flag")];
  expect(changesOf(odd, {})).toEqual({ config: {}, problems: {} });
  const drafts: Drafts = Object.fromEntries([["__proto__", "9"]]);
  expect(Object.entries(changesOf(odd, drafts).config)).toEqual([["__proto__", 9]]);
});

test("hostile keys, notes and answers stay text", async () => {
  const { element, host } = place(HOSTILE.map((text) => setting(text, "whole", { note: text, default: text })));
  await userEvent.fill(page.getByRole("spinbutton").first(), "9");
  await button("Apply").click();
  host.reply(host.last("configure"), { problems: Object.fromEntries([...HOSTILE, ""].map((text) => [text, text])) });
  await vi.waitFor(() => expect(element.querySelectorAll(".rmm-field-problem").length).toBe(HOSTILE.length + 1));
  expect(element.querySelectorAll("img, script, iframe, style, math, a, b").length).toBe(0);
  expect("__pwned" in window).toBe(false);
});
