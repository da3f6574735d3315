import { afterEach, expect, test, vi } from "vitest";
import panel from "../src/widgets/panel";
import table from "../src/widgets/table";
import { FakeHost } from "./fake-host";
import { row } from "./samples";

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) {
    cleanup();
  }
  document.body.replaceChildren();
});

function display(frontEnd: ReturnType<typeof panel>, model: FakeHost): HTMLElement {
  const el = document.createElement("div");
  document.body.append(el);
  cleanups.push(frontEnd.render({ model, el }));
  return el;
}

function ids(el: HTMLElement): (string | null)[] {
  return [...el.querySelectorAll(".rmm-row .rmm-id")].map((element) => element.textContent);
}

test("N3 a second view knows what changed before it was drawn, and both follow", async () => {
  const model = new FakeHost({ _rows: [row("a"), row("b")] });
  const frontEnd = panel();
  cleanups.push(frontEnd.initialize({ model }));
  const first = display(frontEnd, model);
  model.set("_changes", { seq: 1, changed: [row("c")] });
  model.set("_changes", { seq: 2, removed: ["a"] });
  const second = display(frontEnd, model);
  expect(ids(second)).toEqual(["b", "c"]);
  model.set("_changes", { seq: 3, changed: [row("d")] });
  await vi.waitFor(() => expect(ids(second)).toEqual(["b", "c", "d"]));
  expect(ids(first)).toEqual(["b", "c", "d"]);
  expect(model.commands).toEqual([]);
});

test("N3 a gap is asked about once, however many views there are", async () => {
  const model = new FakeHost({ _rows: [row("a")] });
  const frontEnd = panel();
  cleanups.push(frontEnd.initialize({ model }));
  const views = Array.from({ length: 20 }, () => display(frontEnd, model));
  model.set("_changes", { seq: 5 });
  expect(model.commands).toEqual([{ name: "rows", args: {} }]);
  model.reply(model.last("rows"), { seq: 5, rows: [row("new")] });
  await vi.waitFor(() => {
    for (const view of views) {
      expect(ids(view)).toEqual(["new"]);
    }
  });
});

test("the rows outlive every view of the model", () => {
  const model = new FakeHost({ _rows: [row("a")] });
  const frontEnd = table();
  const end = frontEnd.initialize({ model });
  const el = document.createElement("div");
  frontEnd.render({ model, el })();
  model.set("_changes", { seq: 1, changed: [row("b")] });
  expect(ids(display(frontEnd, model))).toEqual(["a", "b"]);
  cleanups.splice(0)[0]?.();
  end();
  expect(model.listeners).toBe(0);
});

test("two models do not share rows", () => {
  const [one, other] = [panel(), panel()];
  const [a, b] = [new FakeHost({ _rows: [row("a")] }), new FakeHost({ _rows: [row("b")] })];
  cleanups.push(one.initialize({ model: a }), other.initialize({ model: b }));
  expect(ids(display(one, a))).toEqual(["a"]);
  expect(ids(display(other, b))).toEqual(["b"]);
});

test("both views of a model show one selection", async () => {
  const model = new FakeHost({ _rows: [row("a"), row("b")], selected: [] });
  const frontEnd = table();
  cleanups.push(frontEnd.initialize({ model }));
  const [first, second] = [display(frontEnd, model), display(frontEnd, model)];
  (first.querySelector("[aria-label='Select b']") as HTMLElement).click();
  expect(model.get("selected")).toEqual(["b"]);
  await vi.waitFor(() => expect(second.querySelectorAll("[aria-selected='true']").length).toBe(1));
  expect(model.saves).toBe(1);
});

function twin(id: string): HTMLElement {
  const output = document.createElement("div");
  output.className = "jp-OutputArea-child";
  const content = document.createElement("div");
  content.className = `rmm-static-${id}`;
  content.textContent = "static";
  output.append(content);
  document.body.append(output);
  return output;
}

function isShown(element: HTMLElement): boolean {
  return getComputedStyle(element).display !== "none";
}

test("while a view lives its static twin is hidden, also one that is drawn anew, and no other", () => {
  const model = new FakeHost({ _rows: [row("a")], _twin: "a1:b2" });
  const frontEnd = panel();
  cleanups.push(frontEnd.initialize({ model }));
  const [before, other] = [twin("a1:b2"), twin("other")];
  const [el, second] = [document.createElement("div"), document.createElement("div")];
  document.body.append(el, second);
  const endFirst = frontEnd.render({ model, el });
  const endSecond = frontEnd.render({ model, el: second });
  const after = twin("a1:b2");
  expect([before, after, other].map(isShown)).toEqual([false, false, true]);
  endFirst();
  expect(isShown(before)).toBe(false);
  endSecond();
  expect([before, after].map(isShown)).toEqual([true, true]);
});

test("the static twin comes back when the kernel is gone", async () => {
  const model = new FakeHost({ _rows: [row("a")], _twin: "t" });
  const frontEnd = panel();
  cleanups.push(frontEnd.initialize({ model }));
  const output = twin("t");
  display(frontEnd, model);
  expect(isShown(output)).toBe(false);
  model.alive = false;
  model.comm_live = false;
  model.emit("comm_live_update");
  await vi.waitFor(() => expect(isShown(output)).toBe(true));
});

test.each([[undefined], [null], [7], [""], ["x) , body { display: none } :is(y"]])(
  "a twin's id of %j hides nothing else",
  (id) => {
    const model = new FakeHost({ _rows: [], _twin: id });
    const frontEnd = panel();
    cleanups.push(frontEnd.initialize({ model }));
    const output = twin("t");
    display(frontEnd, model);
    expect([output, document.body].map(isShown)).toEqual([true, true]);
  },
);
