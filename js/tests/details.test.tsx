import { afterEach, expect, test, vi } from "vitest";
import { page, userEvent } from "vitest/browser";
import type { Details as DetailsRecord, Row } from "../src/protocol/schema";
import { Details } from "../src/views/details/details";
import { totalWords } from "../src/views/details/files-list";
import { checkedAddress } from "../src/views/details/page-link";
import { formatLatency, seriesWords } from "../src/views/details/probe-figures";
import { readDetails } from "../src/views/details/read-details";
import { nextTab } from "../src/views/details/tabs";
import type { ViewState } from "../src/views/state";
import { FakeHost } from "./fake-host";
import { show } from "./mounted";
import { details, fileLine, HOSTILE, probe, row, setting } from "./samples";

afterEach(() => {
  vi.useRealTimers();
});

/** A view with one button for each row, as the table has, and the drawer. */
function place(rows: readonly Row[]) {
  let kept: ViewState | undefined;
  function Place({ state }: { state: ViewState }) {
    kept = state;
    return (
      <div class="rmm-split">
        <div>
          <div role="grid" aria-label="Models" tabIndex={-1} />
          {state.rows.value.map(({ id }) => (
            <button
              key={id}
              type="button"
              onClick={() => {
                state.open.value = id;
              }}
            >
              Open {id.slice(0, 100)}
            </button>
          ))}
        </div>
        <Details state={state} />
      </div>
    );
  }
  const host = new FakeHost({ _rows: rows });
  const { element } = show(Place, host);
  return { host, element, state: kept as unknown as ViewState };
}

async function opened(id: string, answer: Partial<DetailsRecord> = {}, changes: Partial<Row> = {}) {
  const it = place([row(id, changes), row("other")]);
  await page.getByRole("button", { name: `Open ${id}` }).click();
  await expect.element(page.getByText("Asking the kernel…")).toBeVisible();
  it.host.reply(await it.host.asked("details"), details(id, answer));
  await expect.element(page.getByRole("tablist")).toBeVisible();
  return it;
}

const tab = (name: string) => page.getByRole("tab", { name, exact: true });
const asked = (host: FakeHost, name: string) => host.commands.filter((command) => command.name === name).length;

test("it is a region named after the model; the focus moves in, and back by Escape or its button", async () => {
  const { state, host } = await opened("alpha");
  const region = page.getByRole("region", { name: "Details of alpha" });
  await expect.element(region).toBeVisible();
  expect(host.commands).toEqual([{ name: "details", args: { model_id: "alpha" } }]);
  expect(document.activeElement).toBe(region.getByRole("heading", { name: "alpha" }).element());
  await userEvent.keyboard("{Escape}");
  await expect.element(region).not.toBeInTheDocument();
  expect(state.open.value).toBe(null);
  expect(document.activeElement?.textContent).toBe("Open alpha");
  await userEvent.keyboard("{Enter}");
  await page.getByRole("button", { name: "Close details of alpha" }).click();
  await expect.element(region).not.toBeInTheDocument();
  expect(document.activeElement?.textContent).toBe("Open alpha");
});

test("another row's details take the place of the first, and the focus goes back to that row", async () => {
  await opened("alpha");
  await page.getByRole("button", { name: "Open other" }).click();
  await expect.element(page.getByRole("region", { name: "Details of other" })).toBeVisible();
  expect(page.getByRole("region").elements().length).toBe(1);
  expect(document.activeElement?.textContent).toBe("other");
  await userEvent.keyboard("{Escape}");
  await vi.waitFor(() => expect(document.activeElement?.textContent).toBe("Open other"));
});

test("where the opener is gone, the focus goes to the table", async () => {
  const { host } = await opened("alpha");
  host.set("_rows", [row("other")]);
  await expect.element(page.getByText("It is not registered any more.")).toBeVisible();
  await userEvent.keyboard("{Escape}");
  await vi.waitFor(() => expect(document.activeElement?.getAttribute("role")).toBe("grid"));
});

test("the head shows the state and sends what its buttons are named after; a vanished button leaves the focus in", async () => {
  const { host, state } = await opened("alpha", {}, { status: "loaded", health: "degraded", actions: ["unload"] });
  const region = page.getByRole("region", { name: "Details of alpha" });
  await expect.element(region.getByText("degraded")).toBeVisible();
  await region.getByRole("button", { name: "Unload" }).click();
  host.set("_rows", [row("alpha", { status: "downloaded", actions: ["load"], error: "It died.", hint: "Load it." })]);
  await expect.element(region.getByText("It died. Load it.")).toBeVisible();
  expect(document.activeElement?.tagName).toBe("H2");
  const pin = region.getByRole("button", { name: "Pin" });
  await expect.element(pin).toHaveAttribute("aria-pressed", "false");
  await pin.click();
  host.set("_rows", [row("alpha", { pinned: true })]);
  await expect.element(pin).toHaveAttribute("aria-pressed", "true");
  await pin.click();
  await region.getByRole("button", { name: "Remove…" }).click();
  expect(state.dialog.value).toEqual({ kind: "remove", ids: ["alpha"] });
  expect(host.commands.filter(({ name }) => name !== "details")).toEqual([
    { name: "unload", args: { model_id: "alpha" } },
    { name: "pin", args: { model_id: "alpha" } },
    { name: "unpin", args: { model_id: "alpha" } },
  ]);
});

test("the overview has the facts, a checked link, and the whole commit on demand", async () => {
  await opened("alpha", {
    memory: 900_000_000,
    unfinished: 5_000_000,
    keep_alive: 600,
    loaded_at: "2026-03-04T05:06:07Z",
  });
  const panel = page.getByRole("tabpanel", { name: "Overview" });
  for (const words of [
    "What alpha is good for.",
    "apache-2.0",
    "1.50 GB, of which deleting frees 1.20 GB",
    "5.00 MB",
    "900 MB of an expected 1.30 GB",
    "10 min 0 s after its last use",
  ]) {
    await expect.element(panel.getByText(words)).toBeVisible();
  }
  const link = panel.getByRole("link", { name: "demo/alpha (opens in a new tab)" });
  await expect.element(link).toHaveAttribute("href", "https://hub.example/demo/alpha");
  await expect.element(link).toHaveAttribute("rel", "noopener noreferrer");
  expect(panel.element().querySelector("code")?.textContent).toBe("01234567");
  await panel.getByRole("button", { name: "Whole commit" }).click();
  await expect.element(panel.getByText("0123456789abcdef0123456789abcdef01234567")).toBeVisible();
});

test("only plain web addresses become links", async () => {
  for (const address of [
    ...HOSTILE,
    "javascript:alert(1)",
    "  javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>1</script>",
    "vbscript:1",
    "file:///etc/passwd",
    "blob:https://hub.example/1",
    "//hub.example/demo",
    "/demo/alpha",
    "https://hub.example@evil.example/",
    "https://user:secret@hub.example/",
    "",
  ]) {
    expect(checkedAddress(address), address).toBe(null);
  }
  expect(checkedAddress("http://127.0.0.1:8000/demo/a b")).toBe("http://127.0.0.1:8000/demo/a%20b");
  await opened("alpha", { page: "javascript:window.__pwned=1" });
  await expect.element(page.getByText("demo/alpha")).toBeVisible();
  expect(document.querySelector(".rmm-details a")).toBe(null);
});

test("the tabs walk by arrows, also in right-to-left, and name their panels", async () => {
  await opened("alpha");
  await tab("Overview").click();
  for (const [key, name] of [
    ["ArrowRight", "Try it"],
    ["End", "History"],
    ["ArrowRight", "Overview"],
    ["ArrowLeft", "History"],
    ["Home", "Overview"],
  ] as const) {
    await userEvent.keyboard(`{${key}}`);
    await expect.element(page.getByRole("tabpanel", { name })).toBeVisible();
    expect(document.activeElement).toBe(tab(name).element());
    await expect.element(tab(name)).toHaveAttribute("aria-selected", "true");
  }
  expect(
    page
      .getByRole("tab")
      .elements()
      .filter((element) => (element as HTMLElement).tabIndex === 0).length,
  ).toBe(1);
  document.body.dir = "rtl";
  await userEvent.keyboard("{ArrowLeft}");
  await expect.element(page.getByRole("tabpanel", { name: "Try it" })).toBeVisible();
  document.body.removeAttribute("dir");
  expect([nextTab("a", 0, 5, false), nextTab("ArrowLeft", 0, 5, true)]).toEqual([null, 1]);
});

test("files are listed with their states, asked for again on demand, and a failure is said", async () => {
  const { host } = await opened("alpha", {
    files: [
      fileLine("config.json", { size: 700, done: 700 }),
      fileLine("model.bin", { size: 1_000_000, done: 460_000, state: "downloading" }),
      fileLine("old.bin", { state: "left_out", note: "model.bin has the same weights" }),
    ],
  });
  await tab("Files").click();
  await expect.element(page.getByText("1 of 2 files on disk, 461 kB of 1.00 MB")).toBeVisible();
  await expect.element(page.getByRole("row", { name: /^model.bin/ })).toHaveTextContent("downloading, 46 %");
  await expect.element(page.getByRole("row", { name: "old.bin" })).toHaveTextContent("model.bin has the same weights");
  await page.getByRole("button", { name: "Refresh files" }).click();
  host.reply(await host.asked("files"), [fileLine("config.json"), fileLine("model.bin")]);
  await expect.element(page.getByText("2 files, 2.00 MB")).toBeVisible();
  await page.getByRole("button", { name: "Refresh files" }).click();
  host.refuse(await host.asked("files"), { type: "OSError", message: "no", hint: "" });
  await expect.element(page.getByRole("alert")).toHaveTextContent("The files could not be read.");
  expect(asked(host, "files")).toBe(2);
});

test("while the model downloads and they are shown, files are asked for every second, one question at a time", async () => {
  const { host } = await opened("alpha", {}, { status: "downloading", stage: "downloading" });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  (tab("Files").element() as HTMLElement).click();
  await vi.waitFor(() => expect(asked(host, "files")).toBe(1));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(asked(host, "files")).toBe(1); // not answered yet
  for (let count = 2; count <= 4; count += 1) {
    host.reply(await host.asked("files"), [fileLine("model.bin", { size: 100, done: count, state: "downloading" })]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked(host, "files")).toBe(count);
  }
  host.reply(await host.asked("files"), []);
  (tab("History").element() as HTMLElement).click();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked(host, "files")).toBe(4);
});

test("many files are drawn in portions", async () => {
  await opened("alpha", { files: Array.from({ length: 450 }, (_, at) => fileLine(`part-${at}.bin`)) });
  await tab("Files").click();
  expect(page.getByRole("row").elements().length).toBe(201);
  await page.getByRole("button", { name: "Show more files (250 left)" }).click();
  await page.getByRole("button", { name: "Show more files (50 left)" }).click();
  await vi.waitFor(() => expect(page.getByRole("row").elements().length).toBe(451));
  expect(document.querySelector(".rmm-details")?.contains(document.activeElement)).toBe(true);
});

test("health is a chart with a text alternative; its points differ in shape, not only in colour", async () => {
  const probes = [
    probe(0.011),
    probe(0.02, { outcome: "degraded", health: "degraded" }),
    probe(5, { outcome: "missed", health: "degraded" }),
    probe(0, { outcome: "busy" }),
    probe(0.3, { outcome: "failed", health: "unhealthy", detail: "wrong answer" }),
    probe(0.013),
  ];
  await opened("alpha", { probes }, { status: "loaded", health: "healthy", health_reason: "it answers again" });
  await tab("Health").click();
  const words = "6 probes: fastest 11 ms, median 17 ms, last 13 ms; 1 missed, 1 failed, 1 while it worked";
  await expect.element(page.getByRole("img", { name: `Latency of ${words}` })).toBeVisible();
  await expect.element(page.getByText(words)).toBeVisible();
  await expect.element(page.getByText("it answers again")).toBeVisible();
  const marks = [...document.querySelectorAll(".rmm-sparkline .rmm-mark")];
  expect(marks.map((mark) => mark.getAttribute("data-mark"))).toEqual(["good", "slow", "bad", "busy", "bad", "good"]);
  expect(new Set(marks.map((mark) => mark.getAttribute("d"))).size).toBe(4);
  expect(document.querySelector(".rmm-sparkline-line")?.getAttribute("d")?.split("M").length).toBe(3);
  await page.getByText("Single probes").click();
  await expect.element(page.getByText("failed, 300 ms: wrong answer", { exact: false }).last()).toBeVisible();
});

test("while health is shown, new probes come in without a change of the row", async () => {
  const { host } = await opened("alpha", { probes: [probe(0.01)] }, { status: "loaded" });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  (tab("Health").element() as HTMLElement).click();
  await vi.waitFor(() => expect(asked(host, "details")).toBe(2));
  host.reply(await host.asked("details"), details("alpha", { probes: [probe(0.01), probe(0.02)] }));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(asked(host, "details")).toBe(3);
  expect(document.querySelectorAll(".rmm-sparkline .rmm-mark").length).toBe(2);
  host.reply(await host.asked("details"), details("alpha", { probes: [] }));
  (tab("History").element() as HTMLElement).click();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(asked(host, "details")).toBe(3);
});

test("figures of probes", () => {
  expect(seriesWords([probe(1, { outcome: "dead" })])).toBe("1 probe: none answered; 1 missed");
  expect([0.0004, 0.0123, 0.9996, 12].map(formatLatency)).toEqual(["0.4 ms", "12 ms", "1.00 s", "12.00 s"]);
  expect(totalWords([])).toBe("Nothing is known of its files before a download.");
  expect(totalWords([fileLine("a", { state: "left_out" })])).toBe("All files are left out.");
  expect(totalWords([fileLine("a")])).toBe("1 file, 1.00 MB");
});

test("what was typed and not applied outlives the tab and the drawer; once applied, the form shows what is in force", async () => {
  const { host } = await opened("alpha", { settings: [setting("batch_size", "whole")] });
  await tab("Settings").click();
  const field = page.getByRole("spinbutton", { name: "batch size" });
  await userEvent.fill(field, "9");
  await userEvent.keyboard("{Escape}{Enter}");
  await vi.waitFor(() => expect(asked(host, "details")).toBe(2));
  host.reply(await host.asked("details"), details("alpha", { settings: [setting("batch_size", "whole")] }));
  await tab("Settings").click();
  await expect.element(field).toHaveValue(9);
  await page.getByRole("button", { name: "Apply" }).click();
  host.reply(await host.asked("configure"), { problems: {} });
  await vi.waitFor(() => expect(asked(host, "details")).toBe(3));
  host.reply(
    await host.asked("details"),
    details("alpha", { settings: [setting("batch_size", "whole", { value: 9 })] }),
  );
  await expect.element(page.getByRole("button", { name: "Apply" })).toHaveAttribute("aria-disabled", "true");
  host.set("_rows", [row("alpha", { size: 2 })]);
  await vi.waitFor(() => expect(asked(host, "details")).toBe(4), { timeout: 10_000 });
  // Changed in a cell meanwhile: no draft of earlier days stands in its way.
  host.reply(
    await host.asked("details"),
    details("alpha", { settings: [setting("batch_size", "whole", { value: 64 })] }),
  );
  await expect.element(field).toHaveValue(64);
});

test("the drawer stands beside the table where both have room, else below it, and is never wider than its place", async () => {
  const { element } = await opened("alpha", { tags: ["x".repeat(300)], card: "y".repeat(300) });
  const region = page.getByRole("region", { name: "Details of alpha" }).element();
  const table = region.previousElementSibling as Element;
  expect(region.getBoundingClientRect().left).toBeGreaterThanOrEqual(table.getBoundingClientRect().right);
  for (const width of [260, 500]) {
    element.style.width = `${width}px`;
    for (const name of ["Overview", "Files", "Settings", "Health", "History"]) {
      await tab(name).click();
      expect(region.getBoundingClientRect().top).toBeGreaterThanOrEqual(table.getBoundingClientRect().bottom);
      expect(region.scrollWidth, name).toBeLessThanOrEqual(region.clientWidth);
    }
  }
});

test("the history tells the story, and the events newest first", async () => {
  await opened("alpha");
  await tab("History").click();
  await expect.element(page.getByText("Registered from demo.")).toBeVisible();
  await page.getByText("Events (2)").click();
  const events = page.getByRole("list", { name: "Events, newest first" }).getByRole("listitem").elements();
  expect(events.map((event) => event.textContent?.includes("download done"))).toEqual([true, false]);
});

test("details are asked for again when the row changes, at most once a second", async () => {
  const { host } = await opened("alpha");
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  for (let size = 1; size <= 20; size += 1) {
    host.set("_rows", [row("alpha", { size })]);
  }
  expect(asked(host, "details")).toBe(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked(host, "details")).toBe(2);
  host.set("_rows", [row("alpha", { size: 99 })]); // while the question is under way
  await vi.advanceTimersByTimeAsync(5_000);
  expect(asked(host, "details")).toBe(2);
  host.reply(await host.asked("details"), details("alpha", { licence: "mit" }));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked(host, "details")).toBe(3);
  host.reply(await host.asked("details"), details("alpha", { licence: "bsd-3-clause" }));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked(host, "details")).toBe(3);
  vi.useRealTimers();
  await expect.element(page.getByText("bsd-3-clause")).toBeVisible();
});

test("a row that did not change asks for nothing", async () => {
  const same = row("alpha");
  const { host } = place([same]);
  await page.getByRole("button", { name: "Open alpha" }).click();
  await vi.waitFor(() => expect(asked(host, "details")).toBe(1));
  host.reply(await host.asked("details"), details("alpha"));
  await expect.element(page.getByRole("tablist")).toBeVisible();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  host.set("_rows", [same, row("new")]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(asked(host, "details")).toBe(1);
});

test("a failure is said with a Retry; what was shown stays, marked as old", async () => {
  const { host } = place([row("alpha")]);
  await page.getByRole("button", { name: "Open alpha" }).click();
  await vi.waitFor(() => host.last("details"));
  host.refuse(await host.asked("details"), { type: "Error", message: "Not now.", hint: "Wait." });
  await expect.element(page.getByRole("alert")).toHaveTextContent("Not now. Wait.");
  await page.getByRole("button", { name: "Retry" }).click();
  host.reply(await host.asked("details"), { id: "another" });
  await expect.element(page.getByRole("alert")).toHaveTextContent("The kernel's answer has no details.");
  await page.getByRole("button", { name: "Retry" }).click();
  host.reply(await host.asked("details"), details("alpha"));
  await expect.element(page.getByRole("tablist")).toBeVisible();
  await expect.element(page.getByRole("alert")).not.toBeInTheDocument();
  expect(document.querySelector(".rmm-details")?.contains(document.activeElement)).toBe(true);
  host.set("_rows", [row("alpha", { size: 1 })]);
  await vi.waitFor(() => expect(asked(host, "details")).toBe(4), { timeout: 10_000 });
  host.refuse(await host.asked("details"), { type: "Error", message: "Not now.", hint: "" });
  await expect.element(page.getByRole("alert")).toHaveTextContent("What is shown may be old.");
  await expect.element(page.getByRole("tablist")).toBeVisible();
});

test("answers of any shape are read or refused", () => {
  for (const answer of [null, undefined, 1, "text", [], {}, { id: 7 }]) {
    expect(readDetails(answer)).toBe(null);
  }
  const odd = readDetails({
    id: "alpha",
    tags: [1, "a", "a", null],
    files: [null, 1, { path: 5, size: "9", state: "gone" }],
    size_on_disk: -1,
    memory: Number.POSITIVE_INFINITY,
    probes: "none",
    settings: [
      { key: "x", kind: "colour" },
      { kind: "flag" },
      { key: "y", kind: "choice", choices: [1, "a"], value: {} },
    ],
    story: { length: 5 },
  });
  expect(odd).toMatchObject({ tags: ["a"], size_on_disk: 0, memory: 0, probes: [], story: [], keep_alive: null });
  expect(odd?.files).toEqual([{ path: "", size: 0, done: 0, state: "waiting", note: "" }]);
  expect(odd?.settings.map(({ key, choices, value }) => [key, choices, value])).toEqual([["y", ["a"], null]]);
});

test("S13 S14 hostile and endless texts stay text in every section, and are cut", async () => {
  const long = "x".repeat(10_000_000);
  const texts = [...HOSTILE, long];
  const id = HOSTILE.join("");
  const { host, element } = place([
    row(id, { status: "loaded", error: HOSTILE[0] ?? "", hint: HOSTILE[1] ?? "", health_reason: HOSTILE[2] ?? "" }),
  ]);
  await page.getByRole("button").first().click();
  await vi.waitFor(() => host.last("details"));
  host.reply(await host.asked("details"), {
    ...details(id, {
      card: HOSTILE.join("\n") + long,
      licence: long,
      revision: HOSTILE[3] ?? "",
      commit: HOSTILE[4] ?? "",
      page: HOSTILE[4] ?? "",
      tags: texts,
      loader: HOSTILE[5] ?? "",
      loaded_at: HOSTILE[6] ?? "",
      files: texts.map((text) => fileLine(text, { note: text })),
      probes: texts.map((text) => probe(1, { detail: text, outcome: text, time: text })),
      story: texts,
      events: texts.map((text, seq) => ({ seq, time: text, type: text, id: text, action: text, text })),
    }),
    settings: texts.map((text) => ({
      key: text,
      kind: "choice",
      value: text,
      default: text,
      optional: false,
      minimum: null,
      maximum: null,
      choices: texts,
      note: text,
      at_load: false,
    })),
  });
  for (const name of ["Overview", "Files", "Settings", "Health", "History"]) {
    await tab(name).click();
    await expect.element(page.getByRole("tabpanel", { name, exact: true })).toBeVisible();
    for (const summary of element.querySelectorAll<HTMLElement>(".rmm-tab-panel summary")) {
      summary.click();
    }
    expect(element.querySelectorAll("img, script, iframe, style, math, a, b, details[ontoggle]").length).toBe(0);
    expect(element.textContent?.length).toBeLessThan(200_000);
  }
  expect("__pwned" in window).toBe(false);
});
