/** The JupyterLab extension: the models of the kernel that the user works with, beside every notebook. */
import { commandsPlugin } from "./commands-plugin";
import { connectionPlugin } from "./connection-plugin";
import { panelPlugin } from "./panel-plugin";
import { statusPlugin } from "./status-plugin";

export { IModelsLink, IModelsPanel } from "./tokens";
export default [connectionPlugin, panelPlugin, statusPlugin, commandsPlugin];
