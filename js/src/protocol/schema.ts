// Generated from the Python records by `python -m rmm_widgets.notebook.protocol`. Do not edit.

export const PROTOCOL_VERSION = 1;
export const COMMAND_KIND = "rmm/cmd";
export const REPLY_KIND = "rmm/reply";

/** What a model does; decides what calling its instance means. */
export type ModelType = "caption_generator" | "detection_model" | "embedding_model" | "diffusion_lm" | "classification_model";

/** Where a model stands, in six words. */
export type ModelStatus = "not_downloaded" | "downloading" | "downloaded" | "loading" | "loaded" | "error";

/** How a loaded model answers its probes. */
export type ModelHealth = "healthy" | "degraded" | "unhealthy" | "unknown";

export type Action = "download" | "pause" | "resume" | "cancel" | "discard" | "load" | "unload" | "health";

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
  /** Measured bytes of the loaded model, 0 where not loaded. */
  memory: number;
  device: string;
  placement: string;
  /** The user allowed its files to run code. */
  allowed: boolean;
  /** The buttons that fit now, in order. */
  actions: Action[];
}

/** How far one model's download is; sent at most ten times a second. */
export interface Progress {
  phase: DownloadPhase;
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
  memory: number;
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
}

/** The answer to a command: exactly one, at once. Only `search` and `add` answer when the Hub has. */
export interface Reply {
  kind: "rmm/reply";
  rid: string;
  ok: boolean;
  value?: unknown;
  error?: CommandError | null;
}

/** What the kernel pushes to the side panel: everything at first, then the parts that changed. */
export interface StateUpdate {
  type: "state";
  /** Grows with every push that changes something; older ones can be ignored. */
  revision: number;
  rows?: Row[] | null;
  progress?: Record<string, Progress> | null;
  summary?: Summary | null;
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
