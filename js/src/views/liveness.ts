/**
 * Finds out whether the kernel is still there: one that was restarted leaves its views on the screen.
 *
 * Where the host tells of its kernel, that is believed at once, and a ping that waits behind a cell is no alarm. Where
 * it does not, only pings can tell, so they come often, and a kernel that is kept busy cannot be told from one that is
 * gone: the words then say both.
 */
import { type ReadonlySignal, signal } from "@preact/signals";
import { type Hello, PROTOCOL_VERSION } from "../protocol/schema";
import type { CommandClient } from "./command-client";
import { HostKernel, type KernelState } from "./host-kernel";
import type { ViewModel } from "./view-model";

/**
 * `busy`: alive, but commands wait for a cell. `silent`: no answer, and nobody tells why. `forgotten`: the kernel is
 * there and does not know this view. `closed`: the way to the kernel is closed.
 */
export type Connection =
  | "live"
  | "busy"
  | "silent"
  | "forgotten"
  | "restarting"
  | "restarted"
  | "dead"
  | "disconnected"
  | "closed";

/** Together below the five seconds in which a dead kernel must be seen. */
const PERIOD = 2_000;
const PATIENCE = 2_500;
/** Where the host tells of the kernel's end; a ping makes the kernel's indicator blink. */
const TOLD_PERIOD = 10_000;
/** An idle kernel's answer may have crossed the end of our patience once; then it need not wait for long. */
const IDLE_MISSES = 2;
const IDLE_PATIENCE = 1_000;

/** What only the answer to a ping ends: the views of a kernel end with it. */
const ENDED: ReadonlySet<Connection> = new Set(["restarting", "restarted", "dead", "closed", "forgotten"]);

export class Liveness {
  readonly connection: ReadonlySignal<Connection>;
  /** The kernel's answer where it speaks another protocol than this view. */
  readonly mismatch: ReadonlySignal<Hello | null>;
  readonly #connection = signal<Connection>("live");
  readonly #mismatch = signal<Hello | null>(null);
  readonly #model: ViewModel;
  readonly #client: CommandClient;
  readonly #kernel: HostKernel;
  readonly #until: AbortSignal;
  #misses = 0;
  #waiting = false;
  #heard = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param signs events that only a living kernel causes */
  constructor(model: ViewModel, client: CommandClient, signs: readonly string[], until: AbortSignal) {
    this.connection = this.#connection;
    this.mismatch = this.#mismatch;
    this.#model = model;
    this.#client = client;
    this.#until = until;
    this.#kernel = new HostKernel(model, this.#onKernel, until);
    model.on("comm_live_update", this.#onCommLive);
    document.addEventListener("visibilitychange", this.#onVisible);
    for (const sign of signs) {
      model.on(sign, this.#onSignOfLife);
    }
    until.addEventListener("abort", () => {
      clearTimeout(this.#timer);
      model.off("comm_live_update", this.#onCommLive);
      document.removeEventListener("visibilitychange", this.#onVisible);
      for (const sign of signs) {
        model.off(sign, this.#onSignOfLife);
      }
    });
    if (model.comm_live === false) {
      this.#connection.value = "closed";
    }
    void this.#ping();
  }

  async #ping(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#waiting || document.visibilityState !== "visible") {
      return;
    }
    this.#waiting = true;
    const heard = this.#heard;
    try {
      this.#welcome(await this.#client.request("ping", {}, this.#patience));
      this.#misses = 0;
      this.#connection.value = "live";
    } catch {
      if (this.#heard === heard) {
        this.#miss();
      }
    }
    this.#waiting = false;
    if (!this.#until.aborted) {
      this.#timer = setTimeout(() => void this.#ping(), this.#pause);
    }
  }

  get #patience(): number {
    return this.#misses > 0 && this.#kernel.state === "idle" ? IDLE_PATIENCE : PATIENCE;
  }

  /** Until the next ping. One that waits in a busy kernel is answered at last, so it is not followed by many more. */
  get #pause(): number {
    if (this.#misses === 0) {
      return this.#kernel.tells ? TOLD_PERIOD : PERIOD;
    }
    return this.#kernel.state === "idle" ? 0 : Math.min(TOLD_PERIOD, PERIOD * this.#misses);
  }

  #welcome(answer: unknown): void {
    const hello = answer as Partial<Hello> | null | undefined;
    const version = String(hello?.version ?? "");
    const protocol = Number(hello?.protocol);
    this.#mismatch.value = protocol === PROTOCOL_VERSION ? null : { version, protocol };
  }

  #miss(): void {
    this.#misses += 1;
    if (ENDED.has(this.#connection.value)) {
      return;
    }
    const told = this.#kernel.state;
    if (told === "busy") {
      this.#misses = 1;
      this.#connection.value = "busy";
    } else if (told === "idle") {
      if (this.#misses >= IDLE_MISSES) {
        this.#connection.value = "forgotten";
      }
    } else if (told === "unknown") {
      this.#connection.value = "silent";
    } else {
      this.#believe(told);
    }
  }

  /** Takes the host's word for a kernel that cannot answer. */
  #believe(told: Exclude<KernelState, "unknown" | "idle" | "busy">): void {
    if (told !== "lost") {
      this.#connection.value = told;
    } else if (this.#connection.value === "restarting") {
      this.#connection.value = "restarted"; // Hosts may connect anew to the next kernel.
    } else if (this.#connection.value !== "restarted") {
      this.#connection.value = "closed";
    }
  }

  readonly #onSignOfLife = (): void => {
    if (ENDED.has(this.#connection.value)) {
      void this.#ping(); // It may have been under way when the kernel ended.
      return;
    }
    this.#heard += 1;
    this.#misses = 0;
    this.#connection.value = "live";
  };

  readonly #onVisible = (): void => {
    void this.#ping();
  };

  readonly #onKernel = (): void => {
    const told = this.#kernel.state;
    if (told === "disconnected" && ENDED.has(this.#connection.value)) {
      return; // On its way to the next kernel.
    }
    if (told === "restarting" || told === "dead" || told === "disconnected" || told === "lost") {
      this.#believe(told);
    } else if (this.#connection.value === "restarting") {
      this.#connection.value = "restarted";
    } else if (this.#connection.value === "disconnected" || this.#connection.value === "busy") {
      void this.#ping();
    }
  };

  // Hosts that do not tell the new value send this when the comm closes; if it opened instead, the ping's reply says so.
  readonly #onCommLive = (): void => {
    if (this.#model.comm_live !== true && !ENDED.has(this.#connection.value)) {
      this.#connection.value = "closed";
    }
    void this.#ping();
  };
}
