/** anywidget entry: `static/progress.js`. */
import { ProgressList } from "../views/progress-list";
import { widget } from "./widget";

export default widget(ProgressList);
