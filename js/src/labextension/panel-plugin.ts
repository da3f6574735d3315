/** The plugin with the side panel and the command that opens it. */
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette } from "@jupyterlab/apputils";
import { INotebookTracker } from "@jupyterlab/notebook";
import { ITranslator, nullTranslator } from "@jupyterlab/translation";
import { icon } from "./icon";
import { ModelsPanel } from "./models-panel";
import { NotebookCode } from "./notebook-code";
import type { PanelRequest } from "./panel-requests";
import { IModelsLink, IModelsPanel } from "./tokens";

namespace CommandIDs {
  export const open = "rmm-widgets:open";
}

export const panelPlugin: JupyterFrontEndPlugin<IModelsPanel> = {
  id: "rmm-widgets:panel",
  description: "The side panel with the models of the current notebook or console.",
  autoStart: true,
  provides: IModelsPanel,
  requires: [IModelsLink, INotebookTracker],
  // Notebook 7 has no layout to restore.
  optional: [ICommandPalette, ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    link: IModelsLink,
    notebooks: INotebookTracker,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null,
  ) => {
    const trans = (translator ?? nullTranslator).load("rmm_widgets");
    const panel = new ModelsPanel(link, new NotebookCode(link, notebooks), trans);
    app.shell.add(panel, "right", { rank: 600, type: "Models" });
    restorer?.add(panel, panel.id);
    const show = (request: PanelRequest | null = null) => {
      app.shell.activateById(panel.id);
      panel.ask(request);
    };
    app.commands.addCommand(CommandIDs.open, {
      label: trans.__("Show Models"),
      caption: trans.__("Show the models of the current notebook or console"),
      icon,
      describedBy: { args: { type: "object", properties: {} } },
      execute: () => show(),
    });
    palette?.addItem({ command: CommandIDs.open, category: trans.__("Models") });
    return { show };
  },
};
