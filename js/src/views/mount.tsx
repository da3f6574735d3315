/** Puts a view into an element of the host. */
import { type ComponentType, render } from "preact";
import { type Lent, ViewState } from "./state";
import { hideStaticTwin } from "./static-twin";
import { followTheme } from "./theme";
import type { ViewModel } from "./view-model";

export type View = ComponentType<{ state: ViewState }>;

/** Draws `View` over `model` into `element`; returns what takes it away again. */
export function mount(View: View, model: ViewModel, element: HTMLElement, lent: Lent = {}): () => void {
  const state = new ViewState(model, lent);
  const life = new AbortController();
  const root = document.createElement("div");
  root.className = "rmm-root";
  // JupyterLab's single-key shortcuts must not fire while the user types or walks through the table.
  root.dataset.lmSuppressShortcuts = "true";
  element.append(root);
  const stopFollowing = followTheme(root);
  render(<View state={state} />, root);
  hideStaticTwin(model.get("_twin"), state, life.signal);
  return () => {
    life.abort();
    render(null, root);
    stopFollowing();
    root.remove();
    state.dispose();
  };
}
