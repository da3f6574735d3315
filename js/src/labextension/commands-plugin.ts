/** The plugin with the commands for models, for the palette, the menu and shortcuts. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette } from "@jupyterlab/apputils";
import { ITranslator, nullTranslator } from "@jupyterlab/translation";
import { effect } from "@preact/signals";
import { addModelCommands } from "./model-commands";
import { addPanelCommands } from "./panel-commands";
import { IModelsLink, IModelsPanel } from "./tokens";

export const commandsPlugin: JupyterFrontEndPlugin<void> = {
  id: "rmm-widgets:commands",
  description: "Commands for the models of the current notebook or console: search, add, download, load and others.",
  autoStart: true,
  requires: [IModelsLink],
  optional: [IModelsPanel, ICommandPalette, ITranslator],
  activate: (
    { commands }: JupyterFrontEnd,
    link: IModelsLink,
    panel: IModelsPanel | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null,
  ) => {
    const trans = (translator ?? nullTranslator).load("rmm_widgets");
    const ids = [
      ...addModelCommands(commands, link, trans),
      ...(panel ? addPanelCommands(commands, link, panel, trans) : []),
    ];
    for (const command of ids) {
      palette?.addItem({ command, category: trans.__("Models") });
    }
    effect(() => {
      // What they can do, and why not, follows from these.
      void [link.state.value, link.reachable.value];
      for (const command of ids) {
        commands.notifyCommandChanged(command);
      }
    });
  },
};
