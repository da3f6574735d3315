/**
 * The side panel's way to the manager of one kernel, in the shape that the views expect.
 *
 * Two comms, because a kernel may answer a front-end message on the thread that last published on that comm: `rmm.rpc`
 * carries commands and the answers given in their handler, so that a command never waits behind a running cell;
 * `rmm.events` carries the kernel's state and later answers, and is never written to from here.
 */
import type { Kernel } from "@jupyterlab/services";
import { type JSONObject, PromiseDelegate, UUID } from "@lumino/coreutils";
import { type ISignal, Signal } from "@lumino/signaling";
import {
  COMMAND_KIND,
  type Command,
  type Ended,
  type Hello,
  PACKAGE_VERSION,
  REPLY_KIND,
  type Reply,
  type StateUpdate,
} from "../protocol/schema";
import type { EventCallback, ViewModel } from "../views/view-model";
import { type ChannelOwner, CommChannel } from "./comm-channel";
import { ConnectFailure } from "./connect-failure";
import { greeting, readHello } from "./handshake";
import { pause } from "./pause";
import { endSubshell } from "./subshell";
import { type TabConnections, tabConnections } from "./tab-connections";

const RPC = "rmm.rpc";
const EVENTS = "rmm.events";
/** Milliseconds after which a thread is ended although it has not said that it closed its comms. */
const CLOSING = 1_000;

/** Why a connection ended by itself. `refused`: the kernel has no such comms. */
export type Ending = Ended["reason"] | "refused" | "unanswered";

/** What of the kernel's state there is so far, under the names of the widgets' traits. */
interface State {
  _rows: unknown;
  _rows_seq: unknown;
  _changes: unknown;
  _progress: unknown;
  _summary: unknown;
  _model_ids: null;
}

export class Connection implements ViewModel, ChannelOwner {
  readonly kernel: Kernel.IKernelConnection;
  /** Whether commands are handled while a cell runs. */
  readonly besideCells: boolean;
  /** Whether it has the head line only, and no rows: enough for a status bar. */
  readonly brief: boolean;
  readonly #subshell: string | null;
  readonly #rpc: CommChannel;
  readonly #events: CommChannel;
  readonly #ended = new Signal<this, Ending>(this);
  readonly #callbacks = new Map<string, Set<EventCallback>>();
  readonly #rid = UUID.uuid4();
  readonly #client = UUID.uuid4();
  readonly #tab: TabConnections;
  readonly #hello = new PromiseDelegate<Hello>();
  readonly #first = new PromiseDelegate<void>();
  readonly #state: State = {
    _rows: [],
    _rows_seq: 0,
    _changes: {},
    _progress: {},
    _summary: null,
    _model_ids: null,
  };
  #revision = -1;
  #kernelVersion = PACKAGE_VERSION;
  #live = true;

  /**
   * @param subshell the kernel's thread for it, which ends with it; null for the main one
   * @param tab remembers it for the page that may come after this one
   */
  constructor(
    kernel: Kernel.IKernelConnection,
    subshell: string | null,
    { brief = false, tab = tabConnections }: { brief?: boolean; tab?: TabConnections } = {},
  ) {
    this.kernel = kernel;
    this.brief = brief;
    this.#tab = tab;
    this.besideCells = subshell !== null;
    this.#subshell = subshell;
    this.#events = new CommChannel(kernel, EVENTS, this);
    this.#rpc = new CommChannel(kernel, RPC, this);
    // Nobody need be waiting for them.
    this.#hello.promise.catch(() => undefined);
    this.#first.promise.catch(() => undefined);
  }

  /**
   * Opens the comms; resolves when the kernel has said who it is and how its models are.
   *
   * @throws ConnectFailure where the kernel does not serve this panel
   */
  async open(): Promise<void> {
    const { kernel } = this;
    const left = this.#tab.leftIn(kernel.id);
    this.#tab.add({ kernel: kernel.id, client: this.#client, subshell: this.#subshell });
    const former = left.map(({ client }) => client);
    const hello = greeting(this.#client, former, this.brief) as unknown as JSONObject;
    this.#events.open(hello, this.#subshell);
    this.#rpc.open(hello, this.#subshell);
    this.send({ kind: COMMAND_KIND, rid: this.#rid, name: "hello", args: {} } satisfies Command);
    this.#kernelVersion = (await this.#hello.promise).version;
    await this.#first.promise;
    for (const { subshell } of left) {
      if (subshell !== null) {
        endSubshell(kernel, subshell);
      }
    }
    this.#tab.forget(...former);
  }

  /** The version of the package in the kernel, once it has said so. */
  get kernelVersion(): string {
    return this.#kernelVersion;
  }

  /** Emits once where it ends without having been closed from here. */
  get ended(): ISignal<this, Ending> {
    return this.#ended;
  }

  get comm_live(): boolean {
    return this.#live;
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

  send(content: unknown, _callbacks?: undefined, buffers?: ArrayBuffer[]): void {
    if (!this.#live) {
      throw new Error("The connection is closed.");
    }
    this.#rpc.send(content as JSONObject, this.#subshell, buffers);
  }

  renew(): void {
    this.#end("unanswered");
  }

  /**
   * Closes the comms in the kernel, and their thread.
   *
   * @param leaving nothing of this page runs any more: all is sent at once, and each comm takes another way, so that at
   * least one arrives, which is enough for the kernel
   */
  close(leaving = false): void {
    if (!this.#live) {
      return;
    }
    this.#letGo();
    const closed = [this.#rpc.close(this.#subshell), this.#events.close(leaving ? null : this.#subshell)];
    if (leaving) {
      this.#endThread();
    } else {
      void Promise.race([Promise.all(closed), pause(CLOSING, new AbortController().signal)]).then(() => {
        this.#endThread();
        this.#tab.forget(this.#client);
      });
    }
  }

  /** Forgets a kernel that is gone: nothing is sent. */
  abandon(): void {
    if (!this.#live) {
      return;
    }
    this.#letGo();
    this.#rpc.abandon();
    this.#events.abandon();
    this.#tab.forget(this.#client);
  }

  onMessage(data: unknown): void {
    const message = data as Partial<StateUpdate | Ended | Reply> | null | undefined;
    if (!message) {
      return;
    }
    if ("kind" in message && message.kind === REPLY_KIND) {
      this.#takeReply(message as Reply);
    } else if ("type" in message && message.type === "state") {
      this.#takeState(message as StateUpdate);
    } else if ("type" in message && message.type === "ended") {
      this.#takeEnd(message as Ended);
    }
  }

  onClosed(): void {
    this.#end("refused");
  }

  #endThread(): void {
    if (this.#subshell !== null) {
      endSubshell(this.kernel, this.#subshell);
    }
  }

  #takeReply(reply: Reply): void {
    if (reply.rid === this.#rid) {
      try {
        this.#hello.resolve(readHello(reply.value));
      } catch (error) {
        this.#hello.reject(error);
      }
    }
    this.#emit("msg:custom", reply);
  }

  #takeState(update: StateUpdate): void {
    // Pushes come from several threads; an older one must not overwrite a newer one. Row changes it brings are
    // numbered: whoever has missed some asks for all rows.
    if (update.revision < this.#revision) {
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
    this.#first.resolve();
  }

  #takeEnd({ reason, error }: Ended): void {
    if (reason === "version") {
      return; // The answer to `hello` tells which.
    }
    if (reason === "failed") {
      const failure = { kind: "failed", message: error?.message ?? "", hint: error?.hint ?? "" } as const;
      this.#hello.reject(new ConnectFailure(failure)); // Where it is known already, `#first` tells.
      this.#first.reject(new ConnectFailure(failure));
    }
    this.#end(reason);
  }

  /** It is over, though nobody here wanted that. */
  #end(ending: Ending): void {
    if (!this.#live) {
      return;
    }
    this.close();
    this.#ended.emit(ending);
  }

  #letGo(): void {
    this.#live = false;
    const over = new Error("The connection was closed.");
    this.#hello.reject(over);
    this.#first.reject(over);
    this.#emit("comm_live_update");
    this.#callbacks.clear();
  }

  #emit(event: string, ...args: unknown[]): void {
    for (const callback of [...(this.#callbacks.get(event) ?? [])]) {
      callback(...args);
    }
  }
}

/** Whether panel and kernel have the same version of the package; others may work together all the same. */
export function isSameVersion(connection: Connection): boolean {
  return connection.kernelVersion === PACKAGE_VERSION;
}
