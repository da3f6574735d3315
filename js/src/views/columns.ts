/** The table's columns: what each is called, how wide it is, how its values compare. Pure. */
import type { ModelHealth, ModelStatus, Row } from "../protocol/schema";
import { words } from "./format";

export type ColumnKey = "model" | "repo" | "type" | "size" | "status" | "health" | "memory" | "actions";

export interface Column {
  readonly key: ColumnKey;
  readonly title: string;
  /** The least width in em where buttons show their words, and where they are icons only. */
  readonly width: number;
  readonly compactWidth: number;
  /** Its share of what is left over. */
  readonly grow: number;
  /** Absent where sorting by it means nothing. */
  readonly compare?: (a: Row, b: Row) => number;
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

const STATUS_RANK: Record<ModelStatus, number> = {
  not_downloaded: 0,
  downloading: 1,
  downloaded: 2,
  loading: 3,
  loaded: 4,
  error: 5,
};
const HEALTH_RANK: Record<ModelHealth, number> = { healthy: 0, degraded: 1, unhealthy: 2, unknown: 3 };

export const COLUMNS: readonly Column[] = [
  column("model", "Model", 11, 9, 3, (a, b) => collator.compare(a.id, b.id)),
  column("repo", "Repository", 9, 8, 2, (a, b) => collator.compare(a.repo, b.repo)),
  column("type", "Type", 7, 6.5, 0.6, (a, b) => collator.compare(words(a.type), words(b.type))),
  column("size", "Size", 5, 5, 0, (a, b) => a.size - b.size),
  column("status", "Status", 10, 9, 3, (a, b) => rank(STATUS_RANK, a.status) - rank(STATUS_RANK, b.status)),
  column("health", "Health", 6.5, 6.5, 0, (a, b) => rank(HEALTH_RANK, a.health) - rank(HEALTH_RANK, b.health)),
  column("memory", "Memory", 5.5, 5.5, 0, (a, b) => a.memory - b.memory),
  column("actions", "Actions", 18.6, 9.2, 0),
];

const DEFAULT = new Set<ColumnKey>(["model", "type", "size", "status", "health", "memory", "actions"]);

function column(
  key: ColumnKey,
  title: string,
  width: number,
  compactWidth: number,
  grow: number,
  compare?: Column["compare"],
): Column {
  return compare ? { key, title, width, compactWidth, grow, compare } : { key, title, width, compactWidth, grow };
}

function rank<T extends string>(ranks: Record<T, number>, value: T): number {
  return ranks[value] ?? -1;
}

/** The columns to begin with: those of `names`, or the usual ones. The model is always among them. */
export function firstColumns(names: readonly string[] | null): ReadonlySet<ColumnKey> {
  if (names === null) {
    return DEFAULT;
  }
  const wanted = new Set(["model", ...names.map((name) => name.toLowerCase())]);
  return new Set(COLUMNS.map(({ key }) => key).filter((key) => wanted.has(key)));
}

/** How a table is laid out: with buttons in words, with icons only, or with a row's cells below each other. */
export type Layout = "wide" | "compact" | "stacked";

const GAP = 0.9;
const PADDING = 1.2;

export function layoutFor(columns: readonly Column[], widthInEm: number): Layout {
  const around = PADDING + GAP * (columns.length - 1);
  const fits = (key: "width" | "compactWidth") => columns.reduce((sum, each) => sum + each[key], around) <= widthInEm;
  if (fits("width")) {
    return "wide";
  }
  return fits("compactWidth") ? "compact" : "stacked";
}

/** The CSS grid of a row. */
export function template(columns: readonly Column[], layout: Layout): string {
  const key = layout === "wide" ? "width" : "compactWidth";
  return columns.map((each) => (each.grow > 0 ? `minmax(${each[key]}em, ${each.grow}fr)` : `${each[key]}em`)).join(" ");
}
