// Generated from the Python records by `python -m rmm_widgets.notebook.protocol`. Do not edit.

export const PACKAGE_VERSION = "0.1.0";
export const PROTOCOL_VERSION = 2;
export const COMMAND_KIND = "rmm/cmd";
export const REPLY_KIND = "rmm/reply";

/** What a model does; decides what calling its instance means. */
export type ModelType = "caption_generator" | "detection_model" | "embedding_model" | "diffusion_lm" | "classification_model";

/** Where a model stands, in six words. */
export type ModelStatus = "not_downloaded" | "downloading" | "downloaded" | "loading" | "loaded" | "error";

/** How a loaded model answers its probes. */
export type ModelHealth = "healthy" | "degraded" | "unhealthy" | "unknown";

export type Action = "download" | "pause" | "resume" | "cancel" | "discard" | "load" | "unload" | "health" | "repair";

export type Fix = "" | "retry" | "free-space" | "free-memory" | "log-in" | "install" | "repair" | "allow";

export type Fits = "yes" | "tight" | "no" | "unknown";

export type DownloadPhase = "queued" | "resolving" | "downloading" | "verifying" | "finishing" | "paused" | "waiting_for_other" | "done";

/** One model in the table. Progress is not here: it changes far more often. */
export interface Row {
  id: string;
  type: ModelType;
  repo: string;
  description: string;
  /** Bytes on disk where downloaded, else the estimate; 0 where unknown. */
  size: number;
  status: ModelStatus;
  /** The fine state in words, for example "queued", "partial", "unloading". */
  stage: string;
  health: ModelHealth;
  health_reason: string;
  /** What went wrong, empty where nothing did; `hint` says what to do. */
  error: string;
  hint: string;
  /** What a button beside the error should offer. */
  fix: Fix;
  /** The name under which `explain` tells more of the error, empty where there is none. */
  guide: string;
  /** Measured bytes of the loaded model, 0 where not loaded. */
  memory: number;
  device: string;
  placement: string;
  /** The user allowed its files to run code. */
  allowed: boolean;
  /** Never evicted to make room. */
  pinned: boolean;
  /** Bytes of memory that a load is expected to take, 0 where unknown. */
  need: number;
  /** The buttons that fit now, in order. */
  actions: Action[];
}

/** What became of the rows and of their downloads since the last time. A view that has not seen number `seq - 1` asks for all (`rows`). Changes of rows come first: `moved` and `paced` count in the rows as they are after them. */
export interface RowChanges {
  seq: number;
  /** New rows, and those of which anything is new. */
  changed?: Row[];
  removed?: string[];
  /** All ids in their order, where that changed other than by new ones at the end. */
  order?: string[] | null;
  /** New downloads, and those of which more is new than their figures. */
  progress?: Record<string, Progress>;
  /** Downloads that went on, two numbers each: how many rows it is further down than the one before (at first: than the first row), and the kilobytes that were added. */
  moved?: number[];
  /** Downloads that became faster or slower, three numbers each: how many rows further down, then `rate` and `eta`, which is -1 where it is null. */
  paced?: number[];
  /** Ids of which there is no progress any more. */
  ended?: string[];
}

/** The answer to `rows`: all of them and all downloads, as they are after the changes of that number. */
export interface AllRows {
  seq: number;
  rows: Row[];
  progress: Record<string, Progress>;
}

/** All rows, as `_rows` and a StateUpdate hold them in the form of JSON text. A row is the values of `fields`; where it is shorter, what is missing at its end is `usual`, the values of the last fields. */
export interface PackedRows {
  fields: string[];
  usual: unknown[];
  rows: unknown[][];
}

/** How far one model's download is, in figures as fine as a bar shows them. */
export interface Progress {
  phase: DownloadPhase;
  /** In tenths, rounded down. Where it moves on, a view works it out from `done` and `total`; it never falls. */
  percent: number;
  done: number;
  total: number;
  rate: number;
  eta: number | null;
  file: string;
  files_done: number;
  files_total: number;
  note: string;
  /** Its place among the downloads that wait, 1 being the next; 0 where it does not wait. */
  place: number;
}

/** The panel's head line. */
export interface Summary {
  version: string;
  revision: number;
  models: number;
  downloaded: number;
  loaded: number;
  downloads: number;
  queued: number;
  /** Bytes that the loaded models take, measured. */
  memory: number;
  /** Bytes that they may take, of the user's `memory_budget` or of what the machine has. */
  budget: number;
  /** Bytes a second of all downloads. */
  rate: number;
}

/** The answer to a command for several models: what was begun, and what was refused. */
export interface Many {
  begun: string[];
  refused: Record<string, CommandError>;
}

/** A request from a view: untrusted input. `rid` comes back in the reply. */
export interface Command {
  kind: "rmm/cmd";
  rid: string;
  name: string;
  args?: Record<string, unknown>;
}

/** Why a command was refused or failed. */
export interface CommandError {
  type: string;
  message: string;
  hint: string;
  /** What a button beside it should offer. */
  fix?: Fix;
  /** The name under which `explain` tells more of it, empty for a bug. */
  guide?: string;
}

/** The answer to a command: exactly one, at once where it only begins something, else when it is known. */
export interface Reply {
  kind: "rmm/reply";
  rid: string;
  ok: boolean;
  value?: unknown;
  error?: CommandError | null;
}

/** What the kernel pushes to the side panel: all rows and downloads at first, then their changes. */
export interface StateUpdate {
  type: "state";
  /** Grows with every push that changes something; older ones can be ignored. */
  revision: number;
  /** The number of the rows that come with it. */
  seq?: number;
  /** The text of a PackedRows. */
  rows?: string | null;
  /** Comes with `rows`. */
  progress?: Record<string, Progress> | null;
  changes?: RowChanges | null;
  summary?: Summary | null;
}

/** The last that the kernel pushes to a side panel: it has let go of it. */
export interface Ended {
  type: "ended";
  /** The manager was closed; the panel could not be served, as `error` says; nothing was heard of it for long; it speaks another version of the protocol. */
  reason: "closed" | "failed" | "forgotten" | "version";
  error?: CommandError | null;
}

/** What a side panel says with each comm that it opens. Other versions may say more, or less. */
export interface Greeting {
  /** The same for both of its comms. */
  client?: string;
  version?: string;
  /** 0 where it does not say. */
  protocol?: number;
  /** It wants the head line only, as a status bar does. */
  brief?: boolean;
  /** Panels of the page that was in its tab before: they are gone, although they may not have said so. */
  former?: string[];
}

/** The answer to `hello` and `ping`: who is there. */
export interface Hello {
  version: string;
  protocol: number;
}

/** One repository that `search` found; `type` and `size` (bytes) are null where the Hub does not tell. */
export interface SearchResult {
  repo: string;
  type: ModelType | null;
  size: number | null;
  downloads: number;
  likes: number;
  licence: string;
  gated: boolean;
  /** Bytes of memory that it would take, None where that cannot be told from its size. */
  need: number | null;
  fits: Fits;
  /** What its weights come as, or why loading them would be refused; empty where nothing tells. */
  safety: string;
  /** The id under which it is registered already, empty where it is not. */
  registered: string;
}

/** One event, as `log` gives them, oldest first. */
export interface LogEntry {
  seq: number;
  /** ISO 8601, UTC. */
  time: string;
  type: string;
  id: string;
  action: string;
  /** The rest of the event in one line, empty where there is none. */
  text: string;
}

/** One file of a model: at rest, or in a download (`files`). Where there are very many, the last line stands for the rest. */
export interface FileLine {
  path: string;
  size: number;
  /** Bytes of it that are on disk. */
  done: number;
  state: "waiting" | "downloading" | "waiting_for_other" | "verifying" | "done" | "left_out";
  /** Why it is left out, or that no sha256 was published for it; mostly empty. */
  note: string;
}

/** One probe of a loaded model, for a sparkline. */
export interface ProbePoint {
  /** ISO 8601, UTC. */
  time: string;
  /** Seconds. */
  latency: number;
  outcome: string;
  health: ModelHealth;
  detail: string;
}

/** One key of a model's configuration, and what may stand there. */
export interface Setting {
  key: string;
  /** A "size" is two whole numbers, height and width. */
  kind: "flag" | "whole" | "number" | "text" | "choice" | "size";
  /** The value in force. */
  value: unknown;
  default: unknown;
  /** None is allowed: the model's own choice. */
  optional: boolean;
  minimum: number | null;
  maximum: number | null;
  choices: string[];
  note: string;
  /** It takes effect at the next load only. */
  at_load: boolean;
}

/** The answer to `details`: everything about one model that its row does not tell. */
export interface Details {
  id: string;
  /** The branch, tag or commit that was asked for, empty for the default branch. */
  revision: string;
  /** What is on disk, empty where nothing is. */
  commit: string;
  licence: string;
  tags: string[];
  /** The card's first sentence, or the user's description. */
  card: string;
  /** The model's page on its Hub; an http(s) address. */
  page: string;
  /** Of what is on disk or being fetched; empty where nothing is known without the Hub. */
  files: FileLine[];
  size_on_disk: number;
  unfinished: number;
  /** Bytes that deleting it with its files would free; what other models share stays. */
  freeable: number;
  loader: string;
  device: string;
  placement: string;
  memory: number;
  need: number;
  /** Seconds of idleness after which it is unloaded, None where it stays. */
  keep_alive: number | null;
  loaded_at: string;
  /** ISO 8601, UTC; empty where it was never. */
  last_used: string;
  probes: ProbePoint[];
  settings: Setting[];
  /** What happened to it, a line each that begins with the time, oldest first; then how it is and what to do. */
  story: string[];
  events: LogEntry[];
}

/** The answer to `configure`. Where `problems` is empty the configuration is in force, else nothing changed. */
export interface Configured {
  /** What is wrong, by the key; "" for what concerns several. */
  problems: Record<string, string>;
}

/** The answer to `explain`: what an error means and what to do about it. Code stands in backticks. */
export interface Explanation {
  name: string;
  meaning: string;
  steps: string[];
  /** Python that shows it, often empty. */
  example: string;
}

/** One line of `usage`: what a model takes, what deleting it would free. Sizes are bytes. */
export interface DiskModel {
  id: string;
  bytes: number;
  freeable: number;
  unfinished: number;
}

/** One label that a model gave. */
export interface ScoredLabel {
  label: string;
  score: number;
}

/** One thing that a model found, and where, in pixels of the picture. */
export interface LabelledBox {
  label: string;
  score: number;
  xmin: number;
  ymin: number;
  xmax: number;
  ymax: number;
}

/** The answer to `try`: what a model made of its input, by the kind of it. */
export interface TrialResult {
  kind: "labels" | "boxes" | "text" | "similarity" | "stopped";
  /** How long the call took. */
  seconds?: number;
  /** The best first. */
  labels?: ScoredLabel[];
  boxes?: LabelledBox[];
  /** How many labels, boxes or steps there were beside those that are told. */
  more?: number;
  text?: string;
  /** The text as it was after some of the steps, masks included. */
  steps?: string[];
  /** The cosine of the angle between two texts' vectors. */
  similarity?: number;
}

/** The answer to `usage`: the disk, largest models first. */
export interface Usage {
  models: DiskModel[];
  /** Bytes of all unfinished files, those of other programs included. */
  unfinished: number;
  /** Bytes of the whole cache. */
  total: number;
  /** Bytes of the disk that are free. */
  free: number;
}

/** The answer to `remove` and `prune`: the bytes that came free. To `removal`: those that would. */
export interface Removed {
  freed: number;
}
