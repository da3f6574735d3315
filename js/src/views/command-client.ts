/** Sends commands to the kernel and matches the replies to them. */
import { COMMAND_KIND, type Command, type CommandError, type Fix, REPLY_KIND, type Reply } from "../protocol/schema";
import { cutText } from "./cut-text";
import type { ViewModel } from "./view-model";

/** A command that the kernel refused, or that nobody answered. */
export class CommandFailed extends Error {
  readonly type: string;
  readonly hint: string;
  readonly fix: Fix;
  /** The name under which the guide tells more, empty where there is none. */
  readonly guide: string;

  constructor(error: CommandError) {
    super(cutText(error.message));
    this.type = error.type;
    this.hint = cutText(error.hint);
    this.fix = error.fix ?? "";
    this.guide = cutText(error.guide ?? "");
  }
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: CommandFailed): void;
  timer: ReturnType<typeof setTimeout>;
}

const NO_ANSWER: CommandError = {
  type: "NoAnswer",
  message: "The kernel has not answered yet.",
  hint: "It may be busy with a cell; the command then runs when the cell ends.",
};

const NOT_SENT: CommandError = {
  type: "NotSent",
  message: "The kernel cannot be reached.",
  hint: "Start it again where it has ended, and run the cell again.",
};

export class CommandClient {
  readonly #model: ViewModel;
  readonly #pending = new Map<string, Pending>();
  // Every view of a model sees every reply; the prefix tells whose it is. Not crypto.randomUUID: it is missing on http.
  readonly #prefix = Math.random().toString(36).slice(2, 12);
  #count = 0;

  constructor(model: ViewModel, until: AbortSignal) {
    this.#model = model;
    model.on("msg:custom", this.#receive);
    until.addEventListener("abort", () => {
      model.off("msg:custom", this.#receive);
      for (const pending of this.#pending.values()) {
        clearTimeout(pending.timer);
      }
      this.#pending.clear();
    });
  }

  /**
   * Sends a command and waits for its reply.
   *
   * @param timeout milliseconds until the request is given up
   * @param buffers bytes that travel beside it
   * @throws CommandFailed where the kernel says no, or says nothing in time
   */
  request(name: string, args: Record<string, unknown>, timeout: number, buffers: ArrayBuffer[] = []): Promise<unknown> {
    const command = this.#command(name, args);
    const { rid } = command;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(rid);
        reject(new CommandFailed(NO_ANSWER));
      }, timeout);
      this.#pending.set(rid, { resolve, reject, timer });
      try {
        if (buffers.length > 0) {
          this.#model.send(command, undefined, buffers);
        } else {
          this.#model.send(command);
        }
      } catch {
        // Hosts throw where the kernel is dead or the comm is closed.
        this.#pending.delete(rid);
        clearTimeout(timer);
        reject(new CommandFailed(NOT_SENT));
      }
    });
  }

  /** Sends a command whose answer nobody waits for; where nothing can be sent any more, nothing is. */
  tell(name: string, args: Record<string, unknown>): void {
    try {
      this.#model.send(this.#command(name, args));
    } catch {
      // The kernel is dead, or the comm closed.
    }
  }

  #command(name: string, args: Record<string, unknown>): Command {
    this.#count += 1;
    return { kind: COMMAND_KIND, rid: `${this.#prefix}-${this.#count}`, name, args };
  }

  readonly #receive = (content: unknown): void => {
    if (!isReply(content)) {
      return;
    }
    const pending = this.#pending.get(content.rid);
    if (!pending) {
      return;
    }
    this.#pending.delete(content.rid);
    clearTimeout(pending.timer);
    if (content.ok) {
      pending.resolve(content.value);
    } else {
      pending.reject(new CommandFailed(content.error ?? { type: "Error", message: "The command failed.", hint: "" }));
    }
  };
}

function isReply(content: unknown): content is Reply {
  return typeof content === "object" && content !== null && (content as Partial<Reply>).kind === REPLY_KIND;
}
