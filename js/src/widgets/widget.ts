/** Makes an anywidget front-end module of a view. */
import { mount, type View } from "../views/mount";
import type { ViewModel } from "../views/view-model";

/** What anywidget hands to `render`, as far as it is used here. */
interface RenderContext {
  readonly model: ViewModel;
  readonly el: HTMLElement;
}

export interface FrontEndModule {
  render(context: RenderContext): () => void;
}

export function widget(view: View): FrontEndModule {
  return { render: ({ model, el }) => mount(view, model, el) };
}
