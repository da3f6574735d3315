/** anywidget entry: `static/badge.js`. */
import { BadgeList } from "../views/badge-list";
import { widget } from "./widget";

export default widget(BadgeList);
