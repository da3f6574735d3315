/** Threads of a kernel beside its main one (ipykernel >= 7): what is sent to one is handled while a cell runs. */
import { type Kernel, KernelMessage } from "@jupyterlab/services";

const PATIENCE = 3_000;

/**
 * Starts one; null where the kernel has none.
 *
 * @param unknown the kernel has not even said yet whether it has such, as when a page is loaded while a cell runs
 */
export async function startSubshell(kernel: Kernel.IKernelConnection, unknown = false): Promise<string | null> {
  if (!(kernel.supportsSubshells || unknown)) {
    return null;
  }
  let isLate = false;
  try {
    const started = request(kernel).then((id) => {
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
    const content = { subshell_id: id };
    kernel.sendControlMessage(
      KernelMessage.createMessage({ msgType: "delete_subshell_request", content, ...envelope(kernel) }),
      true,
    );
  } catch {
    // The kernel is gone, and its threads with it.
  }
}

/** Not `kernel.requestCreateSubshell`, which refuses as long as the kernel has not said what it can do. */
async function request(kernel: Kernel.IKernelConnection): Promise<string | null> {
  const future = kernel.sendControlMessage(
    KernelMessage.createMessage({ msgType: "create_subshell_request", content: {}, ...envelope(kernel) }),
    true,
  );
  const { content } = (await future.done) as { content: { subshell_id?: string } };
  return content.subshell_id ?? null; // None in an error.
}

function envelope({ clientId: session, username }: Kernel.IKernelConnection) {
  return { channel: "control", session, username } as const;
}
