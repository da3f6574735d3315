/** Where the keyboard's focus is, and how it is kept when what had it goes away. */
import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

/** The focused element, also inside of a shadow root, as marimo has them. */
export function focusedElement(near: Node): HTMLElement | null {
  const root = near.getRootNode();
  const active = root instanceof Document || root instanceof ShadowRoot ? root.activeElement : null;
  return active instanceof HTMLElement && active !== document.body ? active : null;
}

/** True for an element that is still there to take the focus. */
export function canTakeFocus(element: HTMLElement | null): element is HTMLElement {
  return element?.isConnected === true && !element.matches(":disabled");
}

/** Moves the focus to `target` where a redraw of `container` took away the button that had it. */
export function useKeptFocus(container: RefObject<HTMLElement | null>, target: RefObject<HTMLElement | null>): void {
  const hadFocus = container.current?.matches(":focus-within") ?? false;
  useLayoutEffect(() => {
    if (hadFocus && !container.current?.matches(":focus-within")) {
      target.current?.focus({ preventScroll: true });
    }
  });
}

/** The row of the view's table that Tab leads to, or the table where it has none: a place that is never gone. */
export function tableNear(element: Element | null): HTMLElement | null {
  const grid = element?.closest(".rmm-root")?.querySelector<HTMLElement>('[role="grid"]') ?? null;
  return grid?.querySelector<HTMLElement>('[role="row"][tabindex="0"]') ?? grid;
}
