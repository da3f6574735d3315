/**
 * What the host knows about the kernel behind a view, where it tells: JupyterLab, Notebook 7 and Voila do.
 *
 * Nothing of this is promised by anybody, so each piece is looked at before it is used.
 */
import type { ViewModel } from "./view-model";

/** `unknown`: the host does not tell; `lost`: a kernel other than the one this view was made for, or none. */
export type KernelState = "unknown" | "idle" | "busy" | "restarting" | "dead" | "disconnected" | "lost";

/** A kernel connection of `@jupyterlab/services`, as far as it is used here. */
interface KernelLike {
  readonly status?: unknown;
  readonly connectionStatus?: unknown;
  readonly isDisposed?: unknown;
  readonly statusChanged?: unknown;
  readonly connectionStatusChanged?: unknown;
  readonly disposed?: unknown;
}

interface SignalLike {
  connect(slot: () => void): void;
  disconnect(slot: () => void): void;
}

const SIGNALS = ["statusChanged", "connectionStatusChanged", "disposed"] as const;
const STATES: Readonly<Record<string, KernelState>> = {
  idle: "idle",
  busy: "busy",
  starting: "busy",
  restarting: "restarting",
  autorestarting: "restarting",
  terminating: "dead",
  dead: "dead",
};

export class HostKernel {
  readonly #model: ViewModel;
  readonly #kernel: KernelLike | null;

  /** @param onChange called whenever `state` may have changed */
  constructor(model: ViewModel, onChange: () => void, until: AbortSignal) {
    this.#model = model;
    this.#kernel = kernelOf(model);
    for (const name of SIGNALS) {
      const signal = this.#kernel?.[name];
      if (isSignal(signal)) {
        signal.connect(onChange);
        until.addEventListener("abort", () => signal.disconnect(onChange));
      }
    }
  }

  /** Whether the host tells of the kernel at all. */
  get tells(): boolean {
    return this.#kernel !== null;
  }

  get state(): KernelState {
    const kernel = this.#kernel;
    if (!kernel) {
      return "unknown";
    }
    if (kernel.isDisposed === true || kernelOf(this.#model) !== kernel) {
      return "lost";
    }
    const known = STATES[String(kernel.status)] ?? "unknown";
    if (known === "dead" || known === "restarting") {
      return known;
    }
    const isConnected = kernel.connectionStatus === undefined || kernel.connectionStatus === "connected";
    return isConnected ? known : "disconnected";
  }
}

function kernelOf(model: ViewModel): KernelLike | null {
  try {
    const manager = model.widget_manager as { readonly kernel?: unknown } | null | undefined;
    const kernel = model.kernel ?? manager?.kernel;
    // Without its signals its state would be seen too late.
    const like = kernel as KernelLike | null | undefined;
    return typeof like?.status === "string" && isSignal(like.statusChanged) ? like : null;
  } catch {
    // Getters of a host that is being torn down.
    return null;
  }
}

function isSignal(value: unknown): value is SignalLike {
  const signal = value as Partial<SignalLike> | null | undefined;
  return typeof signal?.connect === "function" && typeof signal.disconnect === "function";
}
