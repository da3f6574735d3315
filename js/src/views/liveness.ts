/** Finds out whether the kernel is still there: a restarted one leaves its views on the screen. */
import { type ReadonlySignal, signal } from "@preact/signals";
import { type Hello, PROTOCOL_VERSION } from "../protocol/schema";
import type { CommandClient } from "./command-client";
import type { ViewModel } from "./view-model";

/** `silent`: two pings went unanswered. `closed`: the host says that the way to the kernel is closed. */
export type Connection = "live" | "silent" | "closed";

const PERIOD = 10_000;
const PATIENCE = 5_000;
const MISSES = 2;

export class Liveness {
  readonly connection: ReadonlySignal<Connection>;
  /** The kernel's answer where it speaks another protocol than this view. */
  readonly mismatch: ReadonlySignal<Hello | null>;
  readonly #connection = signal<Connection>("live");
  readonly #mismatch = signal<Hello | null>(null);
  readonly #model: ViewModel;
  readonly #client: CommandClient;
  readonly #until: AbortSignal;
  #misses = 0;
  #waiting = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param signs events that only a living kernel causes */
  constructor(model: ViewModel, client: CommandClient, signs: readonly string[], until: AbortSignal) {
    this.connection = this.#connection;
    this.mismatch = this.#mismatch;
    this.#model = model;
    this.#client = client;
    this.#until = until;
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
    try {
      this.#welcome(await this.#client.request("ping", {}, PATIENCE));
      this.#onSignOfLife();
    } catch {
      this.#miss();
    }
    this.#waiting = false;
    if (!this.#until.aborted) {
      this.#timer = setTimeout(() => void this.#ping(), this.#misses > 0 ? 0 : PERIOD);
    }
  }

  #welcome(answer: unknown): void {
    const hello = answer as Partial<Hello> | null | undefined;
    const version = String(hello?.version ?? "");
    const protocol = Number(hello?.protocol);
    this.#mismatch.value = protocol === PROTOCOL_VERSION ? null : { version, protocol };
  }

  #miss(): void {
    this.#misses += 1;
    if (this.#misses >= MISSES && this.#connection.value === "live") {
      this.#connection.value = "silent";
    }
  }

  readonly #onSignOfLife = (): void => {
    this.#misses = 0;
    this.#connection.value = "live";
  };

  readonly #onVisible = (): void => {
    void this.#ping();
  };

  // Hosts that do not tell the new value send this when the comm closes; if it opened instead, the ping's reply says so.
  readonly #onCommLive = (): void => {
    if (this.#model.comm_live !== true) {
      this.#connection.value = "closed";
    }
    void this.#ping();
  };
}
