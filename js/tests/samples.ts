/** Rows and progress as a kernel sends them. */
import type { Progress, Row, Summary } from "../src/protocol/schema";

export function row(id: string, changes: Partial<Row> = {}): Row {
  return {
    id,
    type: "embedding_model",
    repo: `demo/${id}`,
    description: `About ${id}`,
    size: 1_250_000,
    status: "not_downloaded",
    stage: "registered",
    health: "unknown",
    health_reason: "",
    error: "",
    hint: "",
    fix: "",
    memory: 0,
    device: "",
    placement: "",
    allowed: false,
    pinned: false,
    need: 0,
    actions: ["download"],
    ...changes,
  };
}

export function progress(changes: Partial<Progress> = {}): Progress {
  return {
    phase: "downloading",
    percent: 42.7,
    done: 4_270_000,
    total: 10_000_000,
    rate: 1_100_000,
    eta: 5,
    file: "model.safetensors",
    files_done: 1,
    files_total: 3,
    note: "",
    place: 0,
    ...changes,
  };
}

export function summary(changes: Partial<Summary> = {}): Summary {
  return {
    version: "0.1.0",
    revision: 1,
    models: 3,
    downloaded: 2,
    loaded: 1,
    downloads: 1,
    queued: 0,
    memory: 240_000_000,
    budget: 8_000_000_000,
    rate: 0,
    ...changes,
  };
}

export function manyRows(count: number): Row[] {
  return Array.from({ length: count }, (_, at) => row(`model-${String(at).padStart(5, "0")}`));
}

/** Text that would run, load or break out if it were ever taken for markup. Each would set `window.__pwned`. */
export const HOSTILE = [
  `<img src=x onerror="window.__pwned=1">`,
  `<script>window.__pwned=1</script>`,
  `"><svg onload=window.__pwned=1>`,
  `' onmouseover='window.__pwned=1' x='`,
  `javascript:window.__pwned=1`,
  `</div><iframe srcdoc="<script>parent.__pwned=1</script>"></iframe>`,
  "`$" + "{window.__pwned=1}`",
  `{{constructor.constructor('window.__pwned=1')()}}`,
  `<style>*{background:url("javascript:window.__pwned=1")}</style>`,
  `<a href="javascript:window.__pwned=1">click</a>`,
  `<math><mtext></p><img src=x onerror=window.__pwned=1></mtext></math>`,
  `<details open ontoggle=window.__pwned=1>`,
  `\u202Egpj.exe\u0000<b>bold</b>`,
];
