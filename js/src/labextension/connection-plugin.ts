/** The plugin that follows kernels and connects to them. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { IConsoleTracker } from "@jupyterlab/console";
import { INotebookTracker } from "@jupyterlab/notebook";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { KernelFollower } from "./kernel-follower";
import { KernelLink } from "./kernel-link";
import { followSetting } from "./settings";
import { IModelsLink } from "./tokens";

const ID = "rmm-widgets:connection";

export const connectionPlugin: JupyterFrontEndPlugin<IModelsLink> = {
  id: ID,
  description: "Connects to the models of the kernel that the user works with, while something shows them.",
  autoStart: true,
  provides: IModelsLink,
  requires: [INotebookTracker],
  optional: [IConsoleTracker, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    consoles: IConsoleTracker | null,
    settings: ISettingRegistry | null,
  ) => new KernelLink(new KernelFollower(app.shell, notebooks, consoles), followSetting(settings, ID, "autoConnect")),
};
