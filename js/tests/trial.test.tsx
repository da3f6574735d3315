import { afterEach, expect, test, vi } from "vitest";
import { page, userEvent } from "vitest/browser";
import type { Row, TrialResult } from "../src/protocol/schema";
import type { CodePlace } from "../src/views/code-place";
import { Details } from "../src/views/details/details";
import { modelCode, pythonText } from "../src/views/model-code";
import { mount } from "../src/views/mount";
import type { ViewState } from "../src/views/state";
import { coloursOf, placed, scaleOf } from "../src/views/trial/box-drawing";
import { NoPicture, openPicture } from "../src/views/trial/picture";
import { readTrial } from "../src/views/trial/read-trial";
import { inputsOf, percent, resultWords, secondsWords } from "../src/views/trial/trial-words";
import { FakeHost } from "./fake-host";
import { details, HOSTILE, row } from "./samples";

let unmount: (() => void) | null = null;

afterEach(() => {
  unmount?.();
  unmount = null;
  document.body.replaceChildren();
});

/** The details of a model, its tab for trying it chosen. */
async function trying(changes: Partial<Row>, codePlace?: CodePlace) {
  let kept: ViewState | undefined;
  function Place({ state }: { state: ViewState }) {
    kept = state;
    return <Details state={state} />;
  }
  const host = new FakeHost({ _rows: [row("alpha", { status: "loaded", actions: ["unload"], ...changes })] });
  const element = document.createElement("div");
  document.body.append(element);
  unmount = mount(Place, host, element, { codePlace });
  const state = kept as unknown as ViewState;
  state.open.value = "alpha";
  host.reply(await host.asked("details"), details("alpha", { tags: [] }));
  await page.getByRole("tab", { name: "Try it" }).click();
  return { host, state, form: page.getByRole("form", { name: "Try it" }) };
}

const run = () => page.getByRole("button", { name: "Run", exact: true });

async function png(width: number, height: number, colour = "rgb(10 200 30)"): Promise<File> {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.fillStyle = colour;
  context.fillRect(0, 0, width, height);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  return new File([blob as Blob], "shapes.png", { type: "image/png" });
}

function give(file: File): void {
  const data = new DataTransfer();
  data.items.add(file);
  document
    .querySelector(".rmm-trial-drop")
    ?.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
}

test("two texts go as data, and their similarity comes back, said and shown", async () => {
  const { host, state } = await trying({ type: "embedding_model" });
  await expect.element(run()).toHaveAttribute("aria-disabled", "true");
  await page.getByLabelText("First text").fill("a cat");
  await page.getByLabelText("Second text").fill("a kitten");
  await run().click();
  const command = await host.asked("try");
  expect(command.args).toEqual({ model_id: "alpha", texts: ["a cat", "a kitten"] });
  expect(host.buffers.get(command.rid)).toEqual([]);
  host.reply(command, { kind: "similarity", similarity: 0.876, seconds: 0.01 });
  await expect.element(page.getByRole("region", { name: "Result" }).getByText("0.876")).toBeVisible();
  expect(state.announcement.value).toBe("Similarity 0.88");
});

test("a picture that is dropped goes as bytes; boxes are listed and drawn", async () => {
  const { host, state } = await trying({ type: "detection_model" });
  give(await png(40, 30));
  await expect.element(page.getByRole("img", { name: "shapes.png, 40 × 30 pixels" })).toBeVisible();
  await run().click();
  const command = await host.asked("try");
  expect(command.args).toEqual({ model_id: "alpha", texts: [] });
  const [bytes] = host.buffers.get(command.rid) ?? [];
  expect([...new Uint8Array(bytes as ArrayBuffer).slice(1, 4)]).toEqual([0x50, 0x4e, 0x47]);
  const box = { label: "square", score: 0.93, xmin: 4.2, ymin: 5, xmax: 20, ymax: 22 };
  host.reply(command, { kind: "boxes", boxes: [box], seconds: 0.2 });
  const canvas = page.getByRole("img", { name: "shapes.png, 40 × 30 pixels, with 1 box" });
  await expect.element(canvas).toBeVisible();
  const found = page.getByRole("list", { name: "What was found" });
  await expect.element(found).toHaveTextContent("1square93.0 %4, 5 – 20, 22");
  expect(state.announcement.value).toBe("1 found: square");
  const drawn = canvas.element() as HTMLCanvasElement;
  const at = drawn.getContext("2d")?.getImageData(Math.round(20 * 6), Math.round(12 * 6), 1, 1).data;
  expect([...(at ?? [])].slice(0, 3)).toEqual([255, 213, 79]); // The right edge of the box.
});

test("a file that is no picture says so and sends nothing", async () => {
  const { host } = await trying({ type: "caption_generator" });
  give(new File(["<svg xmlns='http://www.w3.org/2000/svg'/>"], "a.svg", { type: "image/svg+xml" }));
  await expect.element(page.getByRole("alert")).toHaveTextContent("Give a PNG, JPEG, WebP or GIF picture.");
  give(new File(["nonsense"], "a.png", { type: "image/png" }));
  await expect.element(page.getByRole("alert")).toHaveTextContent("The picture cannot be read. It may be damaged.");
  await expect.element(run()).toHaveAttribute("aria-disabled", "true");
  expect(host.commands.filter(({ name }) => name === "try")).toEqual([]);
});

test("a large picture is made smaller, and a transparent one stands on white", async () => {
  const large = await openPicture(await png(4000, 1000), "large");
  expect([large.image.width, large.image.height]).toEqual([1600, 400]);
  const clear = await openPicture(await png(2, 2, "rgb(0 0 0 / 0%)"), "clear");
  expect([...(clear.image.getContext("2d")?.getImageData(0, 0, 1, 1).data ?? [])]).toEqual([255, 255, 255, 255]);
  await expect(openPicture(new Blob(["x"], { type: "text/html" }), "x")).rejects.toThrow(NoPicture);
});

test("labels have bars, and hostile ones stay text", async () => {
  const { host } = await trying({ type: "classification_model" });
  await page.getByRole("radio", { name: "Text" }).click();
  await page.getByLabelText("Text", { exact: true }).last().fill("so good");
  await userEvent.keyboard("{Control>}{Enter}{/Control}");
  const labels = HOSTILE.map((label, at) => ({ label, score: 1 / (at + 1) }));
  host.reply(await host.asked("try"), { kind: "labels", labels, more: 3, seconds: 2 });
  await expect.element(page.getByText("3 more, not shown. It took 2.0 s.")).toBeVisible();
  const items = page.getByRole("list", { name: "Labels, the best first" }).getByRole("listitem").elements();
  expect(items.map((item) => item.querySelector(".rmm-trial-label")?.textContent)).toEqual(HOSTILE);
  expect((globalThis as { __pwned?: unknown }).__pwned).toBeUndefined();
});

test("steps can be gone through, and end with the text", async () => {
  const { host } = await trying({ type: "diffusion_lm" });
  await page.getByLabelText("Prompt").fill("once");
  await run().click();
  host.reply(await host.asked("try"), { kind: "text", text: "once upon", steps: ["once [MASK]", "once u"] });
  await expect.element(page.getByText("once upon", { exact: true })).toBeVisible();
  const slider = page.getByRole("slider", { name: "Step" });
  (slider.element() as HTMLElement).focus();
  await userEvent.keyboard("{Home}");
  await expect.element(page.getByText("once [MASK]")).toBeVisible();
  await expect.element(slider).toHaveAttribute("aria-valuetext", "step 1 of 2");
});

test("a model that is not loaded offers to load it", async () => {
  const { host } = await trying({ status: "downloaded", actions: ["load"] });
  await page.getByLabelText("First text").fill("a");
  await page.getByLabelText("Second text").fill("b");
  await expect.element(run()).toHaveAttribute("aria-disabled", "true");
  await page.getByRole("form", { name: "Try it" }).getByRole("button", { name: "Load alpha" }).click();
  expect(host.last("load").args).toEqual({ model_id: "alpha" });
});

test("what runs can be stopped; an error can be tried again", async () => {
  const { host } = await trying({ type: "diffusion_lm" });
  await run().click();
  await page.getByRole("button", { name: "Stop" }).click();
  expect(host.last("stop").args).toEqual({ model_id: "alpha" });
  host.reply(await host.asked("try"), { kind: "stopped" });
  await expect.element(page.getByText("Stopped.")).toBeVisible();
  await run().click();
  host.refuse(await host.asked("try"), { type: "CallError", message: "It broke.", hint: "Look." });
  await expect.element(page.getByText("It broke.")).toBeVisible();
  await page.getByRole("button", { name: "Try again" }).click();
  host.reply(await host.asked("try"), "nonsense");
  await expect.element(page.getByText("The kernel's answer has no result.")).toBeVisible();
});

test("what was tried is there again when the drawer is", async () => {
  const { state, host } = await trying({ type: "embedding_model" });
  await page.getByLabelText("First text").fill("kept");
  state.open.value = null;
  await vi.waitFor(() => expect(document.querySelector(".rmm-trial")).toBeNull());
  state.open.value = "alpha";
  host.reply(await host.asked("details"), details("alpha"));
  await page.getByRole("tab", { name: "Try it" }).click();
  await expect.element(page.getByLabelText("First text")).toHaveValue("kept");
});

test("code goes where the host takes it, else to the clipboard", async () => {
  const insert = vi.fn(() => true);
  const { state } = await trying({ type: "embedding_model" }, { insert, drag: vi.fn() });
  await page.getByRole("button", { name: "Insert code" }).click();
  expect(insert).toHaveBeenCalledExactlyOnceWith(modelCode(row("alpha", { status: "loaded" })));
  await vi.waitFor(() => expect(state.announcement.value).toBe("The code is in a new cell of the notebook"));
});

// Pure

test("the code does first what stands in the way", () => {
  const lines = (status: Row["status"]) =>
    modelCode(row("a", { status }))
      .split("\n")
      .filter((line) => line.includes('"a"'));
  expect(lines("loaded")).toEqual(['model = manager.get_model_instance("a")']);
  expect(lines("downloaded")).toEqual(['model = await manager.load_model("a")']);
  expect(lines("not_downloaded")).toEqual([
    'await manager.download_model("a")',
    'model = await manager.load_model("a")',
  ]);
});

test("nothing in an id can end its quotes, hide, or turn the line around", () => {
  expect(pythonText(`a"b\\c\n\r\t\0`)).toBe(String.raw`"a\"b\\c\u000a\u000d\u0009\u0000"`);
  expect(pythonText("\u202Eabc\u2028\u00a0\u{E0041}\ud800")).toBe(String.raw`"\u202eabc\u2028\u00a0\U000e0041\ud800"`);
  expect(pythonText("modèle 模型 😀")).toBe('"modèle 模型 😀"');
  for (const id of HOSTILE) {
    expect(modelCode(row(id)).split("\n").length).toBe(modelCode(row("a")).split("\n").length);
  }
});

test("an answer of any shape is read", () => {
  for (const nonsense of [null, 7, "x", [], {}, { kind: "html" }, { kind: null }]) {
    expect(readTrial(nonsense)).toBeNull();
  }
  const read = readTrial({ kind: "labels", labels: [null, { label: 7, score: Number.NaN }, "x"], more: -3, steps: {} });
  expect(read?.labels).toEqual([
    { label: "", score: 0 },
    { label: "", score: 0 },
    { label: "", score: 0 },
  ]);
  expect([read?.more, read?.steps]).toEqual([0, []]);
  expect(readTrial({ kind: "similarity", similarity: 12 })?.similarity).toBe(1);
  expect(readTrial({ kind: "boxes", boxes: new Array(10_000).fill({}) })?.boxes.length).toBe(500);
});

test("boxes are clipped to their picture, and tiny pictures enlarged", () => {
  const box = { label: "a", score: 1, xmin: -5, ymin: 2, xmax: 50, ymax: 8 };
  expect(placed(box, 2, 40, 30)).toEqual({ left: 0, top: 4, width: 40, height: 12 });
  expect(placed({ ...box, xmin: 100, xmax: 120 }, 2, 40, 30)).toBeNull();
  expect(placed({ ...box, xmin: 9, xmax: 3 }, 2, 40, 30)).toBeNull();
  expect([scaleOf(28, 28), scaleOf(500, 300), scaleOf(4096, 10)]).toEqual([9, 1, 0.25]);
  expect([...coloursOf([box, { ...box, label: "b" }, box]).keys()]).toEqual(["a", "b"]);
});

test("words", () => {
  expect(inputsOf("classification_model", ["text-classification"])[0]).toBe("text");
  expect(inputsOf("classification_model", ["image-classification"])[0]).toBe("picture");
  expect([percent(0.1234), percent(-Math.PI), percent(12)]).toEqual(["12.3 %", "-3.14", "12.0"]);
  expect([secondsWords(0.0123), secondsWords(12.34)]).toEqual(["12 ms", "12.3 s"]);
  const said = (result: Partial<TrialResult>) => resultWords(readTrial(result) as Required<TrialResult>);
  expect(said({ kind: "labels" })).toBe("No label");
  expect(said({ kind: "boxes" })).toBe("Nothing was found");
  expect(said({ kind: "text" })).toBe("The model wrote nothing");
  expect(said({ kind: "stopped" })).toBe("Stopped");
});
