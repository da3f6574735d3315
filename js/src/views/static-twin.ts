/**
 * Hides the static table that a notebook shows beside a view for readers without one.
 *
 * A rule does it, not a change of the element: the kernel refreshes the table, and the host then draws it anew.
 */
import { effect } from "@preact/signals";
import type { ViewState } from "./state";

/** Hides the outputs that hold `.rmm-static-ID` until the kernel is gone, or `until`. Hosts without them see no effect. */
export function hideStaticTwin(id: unknown, state: ViewState, until: AbortSignal): void {
  if (typeof id !== "string" || !id) {
    return;
  }
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`.jp-OutputArea-child:has(.${CSS.escape(`rmm-static-${id}`)}) { display: none }`);
  document.adoptedStyleSheets.push(sheet);
  const stop = effect(() => {
    sheet.disabled = state.liveness.connection.value === "closed";
  });
  until.addEventListener("abort", () => {
    stop();
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== sheet);
  });
}
