/** The plugin with the status bar's item. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { IStatusBar } from "@jupyterlab/statusbar";
import { ITranslator, nullTranslator } from "@jupyterlab/translation";
import { followSetting } from "./settings";
import { StatusItem } from "./status-item";
import { IModelsLink, IModelsPanel } from "./tokens";
import { watchWhile } from "./watch-while";

const ID = "rmm-widgets:status";

export const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: "Shows in the status bar which models are loaded, their memory, and what is being downloaded.",
  autoStart: true,
  requires: [IModelsLink],
  // Notebook 7 has no status bar.
  optional: [IStatusBar, IModelsPanel, ISettingRegistry, ITranslator],
  activate: (
    _app: JupyterFrontEnd,
    link: IModelsLink,
    statusBar: IStatusBar | null,
    panel: IModelsPanel | null,
    settings: ISettingRegistry | null,
    translator: ITranslator | null,
  ) => {
    if (!statusBar) {
      return;
    }
    const trans = (translator ?? nullTranslator).load("rmm_widgets");
    const item = new StatusItem(link, trans, panel && (() => panel.show()));
    watchWhile(link, followSetting(settings, ID, "keepCurrent"));
    statusBar.registerStatusItem(ID, {
      item,
      align: "left",
      rank: 500,
      isActive: () => item.isActive,
      activeStateChanged: item.changed,
    });
  },
};
