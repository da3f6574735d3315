/** What other parts of the page ask the side panel to show, once it shows models. */
import { type Signal, signal } from "@preact/signals";
import type { ViewState } from "../views/state";

export type PanelRequest =
  /** Searches for the words at once, where there are any. */
  { readonly kind: "search"; readonly query?: string } | { readonly kind: "log" };

/** The latest request that the panel has not met; its place is kept while the panel connects. */
export type PendingRequest = Signal<PanelRequest | null>;

export function noRequest(): PendingRequest {
  return signal(null);
}

export function meet(request: PanelRequest, state: ViewState): void {
  switch (request.kind) {
    case "search":
      state.dialog.value = request;
      break;
    case "log":
      state.log.value = true;
  }
}
