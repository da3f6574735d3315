/** A models' link as the extension's other parts see it, whose state a test sets. */
import { signal } from "@preact/signals";
import { vi } from "vitest";
import { connect } from "../../src/labextension/connect";
import type { Connection } from "../../src/labextension/connection";
import type { LinkState } from "../../src/labextension/kernel-link";
import type { FakeKernel } from "./fake-kernel";

export class FakeLink {
  readonly target = null;
  readonly state = signal<LinkState>({ kind: "resting" });
  readonly name = signal("work.ipynb");
  readonly reachable = signal(true);
  readonly connect = vi.fn();
  /** How many look, and watch, now. */
  looking = 0;
  watching = 0;

  look() {
    this.looking += 1;
    return once(() => {
      this.looking -= 1;
    });
  }

  watch() {
    this.watching += 1;
    return once(() => {
      this.watching -= 1;
    });
  }

  async use(kernel: FakeKernel): Promise<Connection> {
    const life = new AbortController();
    const connection = await connect(kernel.connection, { onBusy: vi.fn(), after: 0 }, life.signal);
    this.state.value = { kind: "connected", connection };
    return connection;
  }
}

function once(work: () => void) {
  return {
    isDisposed: false,
    dispose() {
      if (!this.isDisposed) {
        this.isDisposed = true;
        work();
      }
    },
  };
}
