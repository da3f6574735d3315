/** Makes an anywidget front-end module of a view. */
import { mount, type View } from "../views/mount";
import { RowStore } from "../views/row-store";
import type { ViewModel } from "../views/view-model";

/** What anywidget hands to `initialize`, as far as it is used here. */
interface ModelContext {
  readonly model: ViewModel;
}

/** What it hands to `render`; this `model` forgets its listeners when the view goes. */
interface ViewContext extends ModelContext {
  readonly el: HTMLElement;
}

/** One widget model and its views; both functions return what ends the thing. */
export interface FrontEnd {
  initialize(context: ModelContext): () => void;
  render(context: ViewContext): () => void;
}

/** The factory that anywidget calls once for each widget model. */
export function widget(view: View): () => FrontEnd {
  return () => {
    let store: RowStore | undefined;
    return {
      initialize({ model }) {
        const life = new AbortController();
        store = new RowStore(model, life.signal);
        return () => life.abort();
      },
      render: ({ model, el }) => mount(view, model, el, { store }),
    };
  };
}
