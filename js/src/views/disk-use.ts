/** What the disk holds, as the kernel measured it, and the clean-up of unfinished files. */
import { batch, signal } from "@preact/signals";
import type { Removed, Usage } from "../protocol/schema";
import { Attempt } from "./attempt";
import { formatBytes } from "./format";
import type { ViewState } from "./state";

export class DiskUse {
  readonly usage = signal<Usage | null>(null);
  readonly attempt = new Attempt();
  readonly chosen = signal<ReadonlySet<string>>(new Set());
  /** Bytes that the last clean-up freed, null before the first. */
  readonly freed = signal<number | null>(null);
  readonly #state: ViewState;

  constructor(state: ViewState) {
    this.#state = state;
  }

  choose(id: string, isChosen: boolean): void {
    const chosen = new Set(this.chosen.value);
    if (isChosen) {
      chosen.add(id);
    } else {
      chosen.delete(id);
    }
    this.chosen.value = chosen;
  }

  refresh(): Promise<void> {
    return this.attempt.run("Measuring the disk…", () => this.#measure());
  }

  prune(): Promise<void> {
    return this.attempt.run("Cleaning up…", async () => {
      const removed = (await this.#state.ask("prune", {})) as Partial<Removed> | null;
      const freed = Number(removed?.freed) || 0;
      this.freed.value = freed;
      this.attempt.said.value = `${formatBytes(freed)} came free`;
      await this.#measure();
    });
  }

  async #measure(): Promise<void> {
    const answer = (await this.#state.ask("usage", {})) as Partial<Usage> | null;
    batch(() => {
      const models = [...(answer?.models ?? [])].sort((one, other) => other.bytes - one.bytes);
      const known = new Set(models.map(({ id }) => id));
      this.usage.value = {
        models,
        unfinished: answer?.unfinished ?? 0,
        total: answer?.total ?? 0,
        free: answer?.free ?? 0,
      };
      this.chosen.value = new Set([...this.chosen.value].filter((id) => known.has(id)));
    });
  }
}
