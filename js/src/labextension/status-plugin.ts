/** The plugin with the status-bar item: how many models are loaded, where that is known. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { IStatusBar } from "@jupyterlab/statusbar";
import { ITranslator, nullTranslator } from "@jupyterlab/translation";
import { Signal } from "@lumino/signaling";
import { Widget } from "@lumino/widgets";
import { effect, signal } from "@preact/signals";
import type { Summary } from "../protocol/schema";
import { IModelsLink } from "./tokens";

const ID = "rmm-widgets:status";

export const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: "Shows in the status bar how many models are loaded.",
  autoStart: true,
  requires: [IModelsLink],
  // Notebook 7 has no status bar.
  optional: [IStatusBar, ITranslator],
  activate: (
    _app: JupyterFrontEnd,
    link: IModelsLink,
    statusBar: IStatusBar | null,
    translator: ITranslator | null,
  ) => {
    if (!statusBar) {
      return;
    }
    const trans = (translator ?? nullTranslator).load("rmm_widgets");
    const item = new Widget();
    item.addClass("jp-StatusBar-TextItem");
    const changed = new Signal<Widget, void>(item);
    const summary = followSummary(link);
    effect(() => {
      const { loaded } = summary.value ?? {};
      item.node.textContent = loaded === undefined ? "" : trans.__("Models: %1 loaded", loaded);
      changed.emit();
    });
    statusBar.registerStatusItem(ID, {
      item,
      align: "left",
      rank: 500,
      isActive: () => summary.value !== null,
      activeStateChanged: changed,
    });
  },
};

/** The head line of the connected manager; null where none is connected. */
function followSummary(link: IModelsLink) {
  const summary = signal<Summary | null>(null);
  effect(() => {
    const state = link.state.value;
    if (state.kind !== "connected") {
      summary.value = null;
      return;
    }
    const read = () => {
      summary.value = (state.connection.get("_summary") as Summary | null) ?? null;
    };
    read();
    state.connection.on("change:_summary", read);
    return () => state.connection.off("change:_summary", read);
  });
  return summary;
}
