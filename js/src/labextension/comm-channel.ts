/**
 * One comm that this page opens, over any connection to a kernel and to any of the kernel's threads.
 *
 * Not `kernel.createComm`: that works only on the first of several connections to a kernel (a console that shares the
 * kernel of a notebook has another), and leaves the choice of the thread to the user's settings.
 */
import { type Kernel, KernelMessage } from "@jupyterlab/services";
import { type JSONObject, UUID } from "@lumino/coreutils";

/** What a channel tells its owner. */
export interface ChannelOwner {
  onMessage(data: unknown): void;
  /** The kernel has closed it, or never took it. */
  onClosed(): void;
}

export class CommChannel {
  readonly #kernel: Kernel.IKernelConnection;
  readonly #target: string;
  readonly #owner: ChannelOwner;
  readonly #id = UUID.uuid4();
  readonly #placeholder: Kernel.IComm | null;
  #open = false;

  constructor(kernel: Kernel.IKernelConnection, target: string, owner: ChannelOwner) {
    this.#kernel = kernel;
    this.#target = target;
    this.#owner = owner;
    this.#placeholder = placeholder(kernel, target, this.#id);
    kernel.iopubMessage.connect(this.#onMessage);
  }

  /** @param subshell the thread that shall handle what is sent, null for the main one */
  open(data: JSONObject, subshell: string | null): void {
    const content = { comm_id: this.#id, target_name: this.#target, data };
    this.#open = true;
    this.#kernel.sendShellMessage(
      KernelMessage.createMessage({ msgType: "comm_open", content, ...this.#envelope(subshell) }),
    );
  }

  send(data: JSONObject, subshell: string | null, buffers: ArrayBuffer[] = []): void {
    const content = { comm_id: this.#id, data };
    this.#kernel.sendShellMessage(
      KernelMessage.createMessage({ msgType: "comm_msg", content, buffers, ...this.#envelope(subshell) }),
    );
  }

  /** Closes it on both sides; resolves when the kernel has done so. */
  async close(subshell: string | null): Promise<void> {
    const wasOpen = this.#open;
    this.#stopListening();
    if (wasOpen) {
      const content = { comm_id: this.#id, data: {} };
      try {
        await this.#kernel.sendShellMessage(
          KernelMessage.createMessage({ msgType: "comm_close", content, ...this.#envelope(subshell) }),
        ).done;
      } catch {
        // The kernel is gone, and the comm with it.
      }
    }
    // Not before: the kernel may just be closing it, too.
    this.#placeholder?.dispose();
  }

  /** Closes it on this side only: the kernel is gone, or has closed it. */
  abandon(): void {
    this.#stopListening();
    this.#placeholder?.dispose();
  }

  #stopListening(): void {
    this.#open = false;
    this.#kernel.iopubMessage.disconnect(this.#onMessage);
  }

  #envelope(subshellId: string | null) {
    const { clientId: session, username } = this.#kernel;
    return { channel: "shell", session, username, subshellId } as const;
  }

  readonly #onMessage = (_: unknown, message: KernelMessage.IIOPubMessage): void => {
    const { comm_id, data } = message.content as { comm_id?: unknown; data?: unknown };
    if (comm_id !== this.#id || !this.#open) {
      return;
    }
    if (message.header.msg_type === "comm_msg") {
      this.#owner.onMessage(data);
    } else if (message.header.msg_type === "comm_close") {
      this.abandon();
      this.#owner.onClosed();
    }
  };
}

/** Makes the comm known to a connection that would otherwise complain in the console when the kernel closes it. */
function placeholder(kernel: Kernel.IKernelConnection, target: string, id: string): Kernel.IComm | null {
  if (!kernel.handleComms) {
    return null;
  }
  const comm = kernel.createComm(target, id);
  // It never sends, so it needs no thread in the kernel. Not in the interface, and not in every version.
  Object.assign(comm, { commsOverSubshells: "disabled" });
  return comm;
}
