/** The JupyterLab extension: the models of the kernel that the user works with, beside every notebook. */
import { connectionPlugin } from "./connection-plugin";
import { panelPlugin } from "./panel-plugin";
import { statusPlugin } from "./status-plugin";

export { IModelsLink } from "./tokens";
export default [connectionPlugin, panelPlugin, statusPlugin];
