/** A kernel connection as JupyterLab's services give it, with a kernel behind it that has a model manager, or has not. */
import type { Kernel, KernelMessage } from "@jupyterlab/services";
import { PromiseDelegate } from "@lumino/coreutils";
import { DisposableDelegate } from "@lumino/disposable";
import { Signal } from "@lumino/signaling";
import {
  type Command,
  type Ended,
  type Hello,
  PACKAGE_VERSION,
  PROTOCOL_VERSION,
  type Reply,
  type StateUpdate,
} from "../../src/protocol/schema";

/** What is in the kernel. */
export interface Inside {
  language: string;
  /** Whether the package can be found. */
  installed: boolean;
  /** Whether the comms are offered: after the package was asked to, or because there is a manager. */
  offered: boolean;
  hello: Hello;
  /** What the package raises when it is asked to offer its comms. */
  offerError: { ename: string; evalue: string } | null;
  /** Why there is no manager. */
  broken: Ended["error"] | null;
  /** What a command is answered with. */
  answer(name: string, args: Record<string, unknown>): Pick<Reply, "ok" | "value" | "error">;
}

type Sent = KernelMessage.IMessage;

const STATE: StateUpdate = {
  type: "state",
  revision: 1,
  seq: 0,
  rows: '{"fields":[],"usual":[],"rows":[]}',
  progress: {},
};

export class FakeKernel {
  readonly id: string;
  readonly clientId = "client";
  readonly username = "";
  readonly statusChanged = new Signal<this, Kernel.Status>(this);
  readonly connectionStatusChanged = new Signal<this, Kernel.ConnectionStatus>(this);
  readonly disposed = new Signal<this, void>(this);
  readonly iopubMessage = new Signal<this, KernelMessage.IIOPubMessage>(this);
  readonly inside: Inside = {
    language: "python",
    installed: true,
    offered: false,
    hello: { version: PACKAGE_VERSION, protocol: PROTOCOL_VERSION },
    offerError: null,
    broken: null,
    answer: () => ({ ok: true, value: null }),
  };
  /** The commands that came, oldest first. */
  readonly commands: { name: string; args: Record<string, unknown> }[] = [];
  /** What the server knows of the kernel. */
  readonly spec = Promise.resolve({ language: "python" });
  info: Promise<KernelMessage.IInfoReply>;
  supportsSubshells = true;
  handleComms = true;
  isDisposed = false;
  status: Kernel.Status = "idle";
  connectionStatus: Kernel.ConnectionStatus = "connected";
  /** Everything that was sent, oldest first. */
  readonly sent: Sent[] = [];
  /** The comms that are open in the kernel, by id, with their target and thread. */
  readonly comms = new Map<string, { target: string; subshell: string | null }>();
  readonly subshells = new Set<string>();
  /** Comms that JupyterLab was told of. */
  readonly placeholders = new Set<string>();
  /** What JupyterLab would say in the console: the kernel closed a comm that it was not told of. */
  readonly complaints: string[] = [];
  #subshellCount = 0;
  /** What waits for the main thread; null where that is free. */
  #queue: (() => void)[] | null = null;

  constructor(id = "kernel") {
    this.id = id;
    this.info = Promise.resolve().then(
      () => ({ language_info: { name: this.inside.language } }) as KernelMessage.IInfoReply,
    );
  }

  /** The connection as the extension sees it. */
  get connection(): Kernel.IKernelConnection {
    return this as unknown as Kernel.IKernelConnection;
  }

  /** The page is loaded while a cell runs: nothing is known of the kernel. */
  becomeUnknown(): void {
    this.status = "unknown";
    this.block();
    this.info = new Promise(() => undefined);
  }

  /** A cell begins to run. */
  block(): void {
    this.#queue = [];
  }

  /** The cell ends, and what waited is done. */
  unblock(): void {
    const queue = this.#queue ?? [];
    this.#queue = null;
    for (const each of queue) {
      each();
    }
  }

  become(status: Kernel.Status): void {
    this.status = status;
    this.statusChanged.emit(status);
  }

  /** The expressions that were evaluated. */
  get asked(): string[] {
    const requests = this.sent.filter(({ header }) => header.msg_type === "execute_request");
    return requests.flatMap(({ content }) =>
      Object.keys((content as KernelMessage.IExecuteRequestMsg["content"]).user_expressions ?? {}),
    );
  }

  /** The targets of the open comms. */
  get targets(): string[] {
    return [...this.comms.values()].map(({ target }) => target).sort();
  }

  requestExecute(content: KernelMessage.IExecuteRequestMsg["content"]) {
    const done = new PromiseDelegate<{ content: unknown }>();
    this.sent.push({ header: { msg_type: "execute_request" }, content } as unknown as Sent);
    this.#inMain(() => done.resolve({ content: this.#evaluate(Object.keys(content.user_expressions ?? {})) }));
    return {
      done: done.promise,
      dispose: () => {
        done.promise.catch(() => undefined);
        done.reject(new Error("Canceled future"));
      },
    };
  }

  sendControlMessage(message: Sent) {
    const { subshell_id } = message.content as { subshell_id?: string };
    if (subshell_id) {
      this.subshells.delete(subshell_id);
      return { done: Promise.resolve({ content: {} }) };
    }
    if (!this.supportsSubshells) {
      return { done: new Promise(() => undefined) }; // Older kernels do not answer what they do not know.
    }
    this.#subshellCount += 1;
    const id = `subshell-${this.#subshellCount}`;
    this.subshells.add(id);
    return { done: Promise.resolve({ content: { subshell_id: id } }) };
  }

  createComm(_target: string, id: string) {
    if (!this.handleComms) {
      throw new Error("Comms are disabled on this kernel connection");
    }
    this.placeholders.add(id);
    return new DisposableDelegate(() => this.placeholders.delete(id));
  }

  sendShellMessage(message: Sent) {
    this.sent.push(message);
    const done = new PromiseDelegate<void>();
    const subshell = message.header.subshell_id ?? null;
    const handle = () => {
      this.#handle(message, subshell);
      done.resolve();
    };
    if (subshell === null) {
      this.#inMain(handle);
    } else {
      queueMicrotask(handle);
    }
    return { done: done.promise };
  }

  /** The user runs a cell. */
  run(code: string): void {
    this.#publish("execute_input", { code, execution_count: 1 });
  }

  /** Has the kernel send something on the comm of that target. */
  push(target: string, data: unknown): void {
    for (const [comm_id, comm] of this.comms) {
      if (comm.target === target) {
        this.#publish("comm_msg", { comm_id, data });
      }
    }
  }

  #inMain(work: () => void): void {
    if (this.#queue) {
      this.#queue.push(work);
    } else {
      queueMicrotask(work);
    }
  }

  #evaluate(names: readonly string[]): unknown {
    const { installed, offerError, hello } = this.inside;
    const text = (value: string) => ({ status: "ok", data: { "text/plain": value } });
    const user_expressions: Record<string, unknown> = {};
    for (const name of names) {
      if (name === "made") {
        user_expressions[name] = text(this.inside.offered ? "True" : "False");
      } else if (name === "found") {
        user_expressions[name] = text(installed ? "True" : "False");
      } else if (name === "offered") {
        this.inside.offered ||= installed && offerError === null;
        user_expressions[name] = offerError ? { status: "error", ...offerError } : text(`'${hello.version}'`);
      } else {
        user_expressions[name] = text(`'${hello.version}'`);
      }
    }
    return { status: "ok", user_expressions };
  }

  #handle(message: Sent, subshell: string | null): void {
    const { comm_id, target_name, data } = message.content as { comm_id: string; target_name: string; data: unknown };
    switch (message.header.msg_type) {
      case "comm_open":
        if (!this.inside.offered) {
          if (this.handleComms && !this.placeholders.delete(comm_id)) {
            this.complaints.push(`Comm not found for comm id ${comm_id}`);
          }
          this.#publish("comm_close", { comm_id, data: {} });
          return;
        }
        this.comms.set(comm_id, { target: target_name, subshell });
        if (target_name === "rmm.events") {
          const { broken, hello } = this.inside;
          const ended = (reason: Ended["reason"]): Ended => ({
            type: "ended",
            reason,
            ...(broken && { error: broken }),
          });
          const isOther = hello.protocol !== PROTOCOL_VERSION;
          this.push(target_name, isOther ? ended("version") : broken ? ended("failed") : STATE);
        }
        return;
      case "comm_msg": {
        const { rid, name, args } = data as Required<Command>;
        const isGreeting = name === "hello" || name === "ping";
        this.commands.push({ name, args });
        const reply = isGreeting ? { ok: true, value: this.inside.hello } : this.inside.answer(name, args);
        this.#publish("comm_msg", { comm_id, data: { kind: "rmm/reply", rid, ...reply } });
        return;
      }
      case "comm_close":
        this.comms.delete(comm_id);
    }
  }

  #publish(msg_type: string, content: unknown): void {
    this.iopubMessage.emit({ header: { msg_type }, content } as unknown as KernelMessage.IIOPubMessage);
  }
}
