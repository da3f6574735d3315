/** What the user has set up in the panel, by kernel: it is there again when the panel, or the kernel, is. */
import { ViewMemory } from "../views/view-memory";

/** Kernels that the panel remembers; the one that was shown longest ago is forgotten first. */
const MOST = 16;

export class KernelMemories {
  readonly #memories = new Map<string, ViewMemory>();

  /** @param kernel its id, which it keeps through restarts */
  of(kernel: string): ViewMemory {
    const memory = this.#memories.get(kernel) ?? new ViewMemory();
    this.#memories.delete(kernel);
    this.#memories.set(kernel, memory);
    for (const oldest of [...this.#memories.keys()].slice(0, -MOST)) {
      this.#memories.delete(oldest);
    }
    return memory;
  }
}
