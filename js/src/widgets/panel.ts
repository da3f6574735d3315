/** anywidget entry: `static/panel.js`. */
import { ManagerPanel } from "../views/manager-panel";
import { widget } from "./widget";

export default widget(ManagerPanel);
