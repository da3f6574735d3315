/**
 * The side panel's way to the manager of one kernel, in the shape that the views expect.
 *
 * Two comms, because a kernel may answer a front-end message on the thread that last published on that comm: `rmm.rpc`
 * carries commands and their replies only, so that a command never waits behind a running cell; `rmm.events` carries
 * the kernel's state and is never written to from here.
 */
import type { Kernel, KernelMessage } from "@jupyterlab/services";
import { PromiseDelegate, UUID } from "@lumino/coreutils";
import type { IDisposable } from "@lumino/disposable";
import { COMMAND_KIND, type Command, REPLY_KIND, type Reply, type StateUpdate } from "../protocol/schema";
import type { EventCallback, ViewModel } from "../views/view-model";

const RPC = "rmm.rpc";
const EVENTS = "rmm.events";
const SUBSHELL_PATIENCE = 2_000;

const QUIET = { silent: true, store_history: false, allow_stdin: false, stop_on_error: false };
const PROBE = {
  ...QUIET,
  code: "",
  user_expressions: { rmm: "__import__('importlib.util').util.find_spec('rmm_widgets') is not None" },
};
const BOOT = { ...QUIET, code: '__import__("rmm_widgets.notebook.bridge", fromlist=["register"]).register()' };

/** Why there is no connection. */
export class ConnectionError extends Error {
  readonly reason: "not-installed" | "failed" | "closed";

  constructor(reason: ConnectionError["reason"], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** What comms have beyond `IComm` since JupyterLab 4.4. */
type SubshellComm = Omit<Kernel.IComm, "commsOverSubshells"> & {
  commsOverSubshells?: string;
  readonly subshellStarted?: Promise<void>;
};

/** What of the kernel's state there is so far, under the names of the widgets' traits. */
interface State {
  _rows: unknown;
  _rows_seq: unknown;
  _changes: unknown;
  _progress: unknown;
  _summary: unknown;
  _model_ids: null;
}

export class Connection implements ViewModel, IDisposable {
  readonly #rpc: SubshellComm;
  readonly #events: SubshellComm;
  readonly #kernel: Kernel.IKernelConnection;
  readonly #callbacks = new Map<string, Set<EventCallback>>();
  readonly #ready = new PromiseDelegate<void>();
  readonly #rid = UUID.uuid4();
  readonly #state: State = {
    _rows: [],
    _rows_seq: 0,
    _changes: {},
    _progress: {},
    _summary: null,
    _model_ids: null,
  };
  #revision = -1;
  #disposed = false;

  /**
   * Connects to the manager of a Python kernel; runs a few silent lines there.
   *
   * @throws ConnectionError where rmm_widgets is missing or does not start
   */
  static async open(kernel: Kernel.IKernelConnection): Promise<Connection> {
    await requireInstalled(kernel);
    const boot = await kernel.requestExecute(BOOT).done;
    if (boot.content.status === "error") {
      throw new ConnectionError("failed", `${boot.content.ename}: ${boot.content.evalue}`);
    }
    const connection = new Connection(kernel);
    await connection.#start();
    return connection;
  }

  private constructor(kernel: Kernel.IKernelConnection) {
    this.#kernel = kernel;
    this.#events = kernel.createComm(EVENTS);
    // It never sends, so it needs no thread of its own in the kernel.
    this.#events.commsOverSubshells = "disabled";
    this.#events.onMsg = this.#onEvent;
    this.#events.onClose = this.#onClose;
    this.#rpc = kernel.createComm(RPC);
    this.#rpc.onMsg = this.#onReply;
    this.#rpc.onClose = this.#onClose;
  }

  async #start(): Promise<void> {
    await subshell(this.#kernel, this.#rpc);
    // A page that goes away tells the kernel, or each reload would leave a thread and two comms there.
    window.addEventListener("pagehide", this.#onPageHide);
    const client = { client: this.#kernel.clientId };
    this.#events.open(client);
    this.#rpc.open(client);
    this.send({ kind: COMMAND_KIND, rid: this.#rid, name: "hello", args: {} } satisfies Command);
    await this.#ready.promise;
  }

  get comm_live(): boolean {
    return !this.#disposed;
  }

  get kernel(): Kernel.IKernelConnection {
    return this.#kernel;
  }

  get(name: string): unknown {
    return name in this.#state ? this.#state[name as keyof State] : undefined;
  }

  on(event: string, callback: EventCallback): void {
    const callbacks = this.#callbacks.get(event) ?? new Set();
    this.#callbacks.set(event, callbacks.add(callback));
  }

  off(event: string, callback: EventCallback): void {
    this.#callbacks.get(event)?.delete(callback);
  }

  send(content: unknown): void {
    if (this.#disposed || this.#kernel.isDisposed) {
      return;
    }
    this.#rpc.send(content as Parameters<Kernel.IComm["send"]>[0]);
  }

  get isDisposed(): boolean {
    return this.#disposed;
  }

  dispose(): void {
    if (this.#disposed) {
      return;
    }
    this.#disposed = true;
    window.removeEventListener("pagehide", this.#onPageHide);
    this.#ready.reject(new ConnectionError("closed", "The connection was closed."));
    // Nobody need be waiting any more.
    this.#ready.promise.catch(() => undefined);
    for (const comm of [this.#rpc, this.#events]) {
      closeQuietly(comm);
    }
    this.#emit("comm_live_update");
    this.#callbacks.clear();
  }

  readonly #onPageHide = (): void => this.dispose();

  readonly #onClose = (): void => this.dispose();

  readonly #onEvent = (message: KernelMessage.ICommMsgMsg): void => {
    const update = message.content.data as unknown as StateUpdate;
    // Pushes come from several threads; an older one must not overwrite a newer one. Row changes it brings are
    // numbered: whoever has missed some asks for all rows.
    if (update.type !== "state" || update.revision < this.#revision) {
      return;
    }
    this.#revision = update.revision;
    this.#state._rows_seq = typeof update.rows === "string" ? (update.seq ?? 0) : this.#state._rows_seq;
    const parts = (["rows", "progress", "changes", "summary"] as const).filter((part) => update[part] != null);
    // All of it is there before anybody is told: rows and progress belong together.
    for (const part of parts) {
      this.#state[`_${part}`] = update[part];
    }
    for (const part of parts) {
      this.#emit(`change:_${part}`);
    }
  };

  readonly #onReply = (message: KernelMessage.ICommMsgMsg): void => {
    const reply = message.content.data as unknown as Reply;
    if (reply.kind === REPLY_KIND && reply.rid === this.#rid) {
      this.#ready.resolve();
    }
    this.#emit("msg:custom", reply);
  };

  #emit(event: string, ...args: unknown[]): void {
    for (const callback of [...(this.#callbacks.get(event) ?? [])]) {
      callback(...args);
    }
  }
}

async function requireInstalled(kernel: Kernel.IKernelConnection): Promise<void> {
  const { content } = await kernel.requestExecute(PROBE).done;
  const answer = content.status === "ok" ? content.user_expressions?.rmm : undefined;
  const data = (answer as { data?: Record<string, string> } | undefined)?.data;
  if (data?.["text/plain"] !== "True") {
    throw new ConnectionError("not-installed", "rmm_widgets is not installed in this kernel");
  }
}

/** Waits for the thread that a kernel gives to a comm; an open sent before would go to the main one. */
async function subshell(kernel: Kernel.IKernelConnection, comm: SubshellComm): Promise<void> {
  if (!kernel.supportsSubshells || !comm.subshellStarted) {
    return;
  }
  const late = new Promise<void>((resolve) => setTimeout(resolve, SUBSHELL_PATIENCE));
  await Promise.race([comm.subshellStarted.catch(() => undefined), late]);
}

function closeQuietly(comm: SubshellComm): void {
  try {
    if (!comm.isDisposed) {
      comm.close();
    }
  } catch {
    // The kernel is gone, and the comm with it.
  }
}
