/** The JupyterLab plugins: a side panel that shows the models of the kernel in use, and a status-bar item. */
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette } from "@jupyterlab/apputils";
import { IConsoleTracker } from "@jupyterlab/console";
import { INotebookTracker } from "@jupyterlab/notebook";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { IStatusBar } from "@jupyterlab/statusbar";
import { ITranslator, nullTranslator } from "@jupyterlab/translation";
import { Widget } from "@lumino/widgets";
import { KernelFollower } from "./kernel-follower";
import { icon, ModelsPanel } from "./models-panel";

const PLUGIN = "rmm-widgets:panel";
const OPEN = "rmm-widgets:open";

// All but the notebooks is optional: Notebook 7 has neither a status bar nor a layout to restore.
const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN,
  description: "A side panel with the models of the current notebook's kernel.",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [IConsoleTracker, ICommandPalette, ILayoutRestorer, ISettingRegistry, ITranslator, IStatusBar],
  activate,
};

async function activate(
  app: JupyterFrontEnd,
  notebooks: INotebookTracker,
  consoles: IConsoleTracker | null,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null,
  settings: ISettingRegistry | null,
  translator: ITranslator | null,
  statusBar: IStatusBar | null,
): Promise<void> {
  const trans = (translator ?? nullTranslator).load("rmm_widgets");
  const panel = new ModelsPanel(new KernelFollower(notebooks, consoles), trans, settings === null);
  app.shell.add(panel, "right", { rank: 600, type: "Models" });
  restorer?.add(panel, panel.id);
  app.commands.addCommand(OPEN, {
    label: trans.__("Show Models"),
    caption: trans.__("Show the models of the current notebook's kernel"),
    icon,
    describedBy: { args: { type: "object", properties: {} } },
    execute: () => app.shell.activateById(panel.id),
  });
  palette?.addItem({ command: OPEN, category: trans.__("Models") });
  if (statusBar) {
    addStatusItem(statusBar, panel);
  }
  if (settings) {
    const { composite, changed } = await settings.load(PLUGIN);
    panel.autoConnect = composite.autoConnect !== false;
    changed.connect((loaded) => {
      panel.autoConnect = loaded.composite.autoConnect !== false;
    });
  }
}

function addStatusItem(statusBar: IStatusBar, panel: ModelsPanel): void {
  const item = new Widget();
  item.addClass("jp-StatusBar-TextItem");
  const paint = () => {
    const summary = panel.summary;
    item.node.textContent = summary ? `Models: ${summary.loaded} loaded` : "";
  };
  paint();
  panel.summaryChanged.connect(paint);
  statusBar.registerStatusItem(`${PLUGIN}-status`, {
    item,
    align: "left",
    rank: 500,
    isActive: () => panel.summary !== null,
    activeStateChanged: panel.summaryChanged,
  });
}

export default plugin;
