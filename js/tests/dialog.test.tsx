import { afterEach, expect, test, vi } from "vitest";
import { page, userEvent } from "vitest/browser";
import { Dialog } from "../src/views/dialog";
import { mount } from "../src/views/mount";
import type { ViewState } from "../src/views/state";
import { FakeHost } from "./fake-host";
import { show } from "./mounted";
import { HOSTILE } from "./samples";

const TITLES = { usage: "Things", search: "Other things", remove: "" };
const KEPT = "the element that the caller names";

/** A page with a button that opens a dialog, and one that the focus may go to when the first is gone. */
function Opener({ state }: { state: ViewState }) {
  const close = () => {
    state.dialog.value = null;
  };
  const open = () => {
    state.dialog.value = { kind: "usage" };
  };
  return (
    <>
      <button type="button" class="opener" onClick={open}>
        Open
      </button>
      <button type="button" class="kept">
        {KEPT}
      </button>
      {state.dialog.value && (
        <Dialog
          key={state.dialog.value.kind}
          title={TITLES[state.dialog.value.kind]}
          onClose={close}
          returnTo={(opener) => opener ?? document.querySelector<HTMLElement>(".kept")}
        >
          <input aria-label="Inside" />
          <button
            type="button"
            onClick={() => {
              state.dialog.value = { kind: "search" };
            }}
          >
            Next
          </button>
        </Dialog>
      )}
    </>
  );
}

const dialog = () => page.getByRole("dialog", { name: "Things" });

afterEach(async () => {
  await page.viewport(1100, 800);
});

test("a dialog is modal, bears its title as name, and has a named close button", async () => {
  show(Opener, {});
  await page.getByRole("button", { name: "Open" }).click();
  await expect.element(dialog()).toBeVisible();
  expect(dialog().element().matches(":modal")).toBe(true);
  expect(document.activeElement).toBe(dialog().element());
  await page.getByRole("button", { name: "Close Things" }).click();
  await expect.element(dialog()).not.toBeInTheDocument();
  expect(document.activeElement?.textContent).toBe("Open");
});

test("Escape closes it and gives the focus back; where the opener is gone, to what the caller names", async () => {
  show(Opener, {});
  for (const goes of [false, true]) {
    await page.getByRole("button", { name: "Open" }).click();
    await userEvent.fill(page.getByLabelText("Inside"), "typed");
    if (goes) {
      document.querySelector(".opener")?.remove();
    }
    await userEvent.keyboard("{Escape}");
    await expect.element(dialog()).not.toBeInTheDocument();
    expect(document.activeElement?.textContent).toBe(goes ? KEPT : "Open");
  }
});

test("one dialog may follow another, and the end of the first is not the end of the second", async () => {
  show(Opener, {});
  await page.getByRole("button", { name: "Open" }).click();
  const first = dialog().element();
  const closed = new Promise((resolve) => first.addEventListener("close", resolve));
  await page.getByRole("button", { name: "Next" }).click();
  await closed;
  await expect.element(page.getByRole("dialog", { name: "Other things" })).toBeVisible();
});

test("Tab never leads to what is behind it", async () => {
  show(Opener, {});
  await page.getByRole("button", { name: "Open" }).click();
  await expect.element(dialog()).toBeVisible();
  const behind = document.querySelector<HTMLElement>(".kept");
  behind?.focus();
  expect(document.activeElement).not.toBe(behind);
  for (let step = 0; step < 5; step += 1) {
    await userEvent.keyboard("{Tab}");
    const active = document.activeElement;
    expect(active === document.body || dialog().element().contains(active)).toBe(true);
  }
});

test("a press on the backdrop closes it, one that began inside does not", async () => {
  show(Opener, {});
  await page.getByRole("button", { name: "Open" }).click();
  await expect.element(dialog()).toBeVisible();
  const element = dialog().element();
  const press = (down: Element, up: Element) => {
    down.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
    up.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  };
  press(page.getByLabelText("Inside").element(), element);
  await expect.element(dialog()).toBeVisible();
  press(element, element);
  await expect.element(dialog()).not.toBeInTheDocument();
});

test("keys pressed inside reach no listener of the notebook around it", async () => {
  show(Opener, {});
  await page.getByRole("button", { name: "Open" }).click();
  const heard = vi.fn();
  for (const type of ["keydown", "keypress", "keyup"]) {
    document.body.addEventListener(type, heard);
  }
  await page.getByLabelText("Inside").click();
  await userEvent.keyboard("dd{Enter}");
  expect(heard).not.toHaveBeenCalled();
  expect(dialog().element().closest("[data-lm-suppress-shortcuts]")).not.toBeNull();
  await userEvent.keyboard("{Escape}");
  for (const type of ["keydown", "keypress", "keyup"]) {
    document.body.removeEventListener(type, heard);
  }
});

test("it works in a shadow root: focus in, Escape, focus back", async () => {
  const outer = document.createElement("div");
  document.body.append(outer);
  const shadow = outer.attachShadow({ mode: "open" });
  const inner = document.createElement("div");
  shadow.append(inner);
  const unmount = mount(Opener, new FakeHost({}), inner);
  shadow.querySelector<HTMLElement>(".opener")?.focus();
  await userEvent.keyboard("{Enter}");
  await vi.waitFor(() => expect(shadow.activeElement?.tagName).toBe("DIALOG"));
  await userEvent.keyboard("{Escape}");
  await vi.waitFor(() => expect(shadow.querySelector("dialog")).toBeNull());
  expect(shadow.activeElement?.textContent).toBe("Open");
  unmount();
});

test("it is never larger than the window, and long content scrolls inside", async () => {
  await page.viewport(260, 300);
  function Long() {
    return (
      <Dialog title={"x".repeat(500)} onClose={() => {}}>
        <p>{"word ".repeat(3000)}</p>
      </Dialog>
    );
  }
  show(Long, {}, 260);
  const element = page.getByRole("dialog").element();
  const box = element.getBoundingClientRect();
  expect(box.left >= 0 && box.right <= 260 && box.top >= 0 && box.bottom <= 300).toBe(true);
  const body = element.querySelector(".rmm-dialog-body");
  expect(body && body.scrollHeight > body.clientHeight && body.scrollWidth <= body.clientWidth).toBe(true);
  const close = page.getByRole("button", { name: "Close" }).element().getBoundingClientRect();
  expect(close.width >= 24 && close.height >= 24 && close.right <= 260).toBe(true);
});

test("it has the view's colours in the top layer, and takes hostile titles as text", async () => {
  const title = HOSTILE.join(" ");
  function Hostile() {
    return (
      <Dialog title={title} onClose={() => {}}>
        body
      </Dialog>
    );
  }
  const { element } = show(Hostile, {});
  const style = getComputedStyle(page.getByRole("dialog").element());
  const root = getComputedStyle(element.querySelector(".rmm-root") as Element);
  expect([style.color, style.backgroundColor, style.fontFamily]).toEqual([
    root.color,
    root.backgroundColor,
    root.fontFamily,
  ]);
  expect(element.querySelectorAll("img, script, iframe, style, math, a, b").length).toBe(0);
  expect("__pwned" in window).toBe(false);
});
