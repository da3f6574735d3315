/** What the user has set up in the panel, by kernel: it is there again when the panel, or the kernel, is. */
import { Recent } from "../views/recent";
import { ViewMemory } from "../views/view-memory";

/** Kernels that the panel remembers. */
const MOST = 16;

/** By the id of the kernel, which it keeps through restarts. */
export class KernelMemories extends Recent<ViewMemory> {
  constructor() {
    super(MOST, () => new ViewMemory());
  }
}
