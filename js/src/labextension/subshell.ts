/** Threads of a kernel beside its main one (ipykernel >= 7): what is sent to one is handled while a cell runs. */
import type { Kernel } from "@jupyterlab/services";

const PATIENCE = 3_000;

/** Starts one; null where the kernel has none. */
export async function startSubshell(kernel: Kernel.IKernelConnection): Promise<string | null> {
  if (!kernel.supportsSubshells) {
    return null;
  }
  let isLate = false;
  try {
    const started = kernel.requestCreateSubshell({}).done.then(({ content }) => {
      const id = content.subshell_id ?? null; // None in an error.
      if (isLate && id) {
        endSubshell(kernel, id);
      }
      return id;
    });
    const late = new Promise<null>((resolve) => {
      setTimeout(() => {
        isLate = true;
        resolve(null);
      }, PATIENCE);
    });
    return await Promise.race([started, late]);
  } catch {
    return null; // The kernel has ended.
  }
}

/** Ends one; what it was sent before may not be handled any more. */
export function endSubshell(kernel: Kernel.IKernelConnection, id: string): void {
  try {
    kernel.requestDeleteSubshell({ subshell_id: id });
  } catch {
    // The kernel is gone, and its threads with it.
  }
}
