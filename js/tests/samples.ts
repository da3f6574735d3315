/** Rows and progress as a kernel sends them. */
import type {
  Details,
  DiskModel,
  FileLine,
  ProbePoint,
  Progress,
  Row,
  Setting,
  Summary,
  Usage,
} from "../src/protocol/schema";

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
    guide: "",
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

export function setting(key: string, kind: Setting["kind"], changes: Partial<Setting> = {}): Setting {
  const value = { flag: false, whole: 8, number: 0.5, text: "text", choice: "auto", size: [480, 640] }[kind];
  return {
    key,
    kind,
    value,
    default: value,
    optional: false,
    minimum: null,
    maximum: null,
    choices: kind === "choice" ? ["auto", "float16", "float32"] : [],
    note: "",
    at_load: false,
    ...changes,
  };
}

export function fileLine(path: string, changes: Partial<FileLine> = {}): FileLine {
  return { path, size: 1_000_000, done: 1_000_000, state: "done", note: "", ...changes };
}

export function probe(latency: number, changes: Partial<ProbePoint> = {}): ProbePoint {
  return { time: "2026-03-04T05:06:07Z", latency, outcome: "ok", health: "healthy", detail: "", ...changes };
}

export function details(id: string, changes: Partial<Details> = {}): Details {
  return {
    id,
    revision: "main",
    commit: "0123456789abcdef0123456789abcdef01234567",
    licence: "apache-2.0",
    tags: ["onnx", "sentence-similarity"],
    card: `What ${id} is good for.`,
    page: `https://hub.example/demo/${id}`,
    files: [fileLine("config.json", { size: 700, done: 700 }), fileLine("model.safetensors")],
    size_on_disk: 1_500_000_000,
    unfinished: 0,
    freeable: 1_200_000_000,
    loader: "onnx-embedding",
    device: "cpu",
    placement: "process",
    memory: 0,
    need: 1_300_000_000,
    keep_alive: null,
    loaded_at: "",
    last_used: "",
    probes: [],
    settings: [],
    story: ["Registered from demo.", "Downloaded 1.50 GB."],
    events: [
      { seq: 1, time: "2026-03-04T05:06:07Z", type: "registered", id, action: "", text: "from demo" },
      { seq: 2, time: "2026-03-04T05:07:07Z", type: "download_done", id, action: "", text: "" },
    ],
    ...changes,
  };
}

export function usage(models: readonly Partial<DiskModel>[]): Usage {
  return {
    models: models.map((model, at) => ({ id: `model-${at}`, bytes: 0, freeable: 0, unfinished: 0, ...model })),
    unfinished: 0,
    total: 5_000_000_000,
    free: 20_000_000_000,
  };
}
