/** anywidget entry: `static/table.js`. */
import { ModelTablePanel } from "../views/model-table-panel";
import { widget } from "./widget";

export default widget(ModelTablePanel);
