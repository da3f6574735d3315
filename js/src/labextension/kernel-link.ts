/**
 * Keeps the connection to the kernel that the user works with, for whoever looks at it.
 *
 * Lazy: where nobody looks there is no probe and no comm. A connection that nobody has looked at for a while is closed,
 * unless somebody watches: that keeps what is there, and asks no kernel that has nothing to do with the package.
 */
import type { Kernel } from "@jupyterlab/services";
import { DisposableDelegate, type IDisposable } from "@lumino/disposable";
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import { COMMAND_KIND, type Command } from "../protocol/schema";
import { connect, connectAgain, connectToMade } from "./connect";
import { type Failure, failureOf } from "./connect-failure";
import type { Connection, Ending } from "./connection";
import type { KernelFollower, Target } from "./kernel-follower";

export type LinkState =
  /** Nobody looks. */
  | { readonly kind: "resting" }
  | { readonly kind: "no-document" }
  | { readonly kind: "no-kernel" }
  | { readonly kind: "starting" }
  | { readonly kind: "restarting" }
  | { readonly kind: "ended" }
  /** The user decides; `because` the setting says so, or since the manager was closed. */
  | { readonly kind: "offer"; readonly because: "asked" | "closed" }
  | { readonly kind: "connecting" }
  /** The kernel has not answered for a while: most often a cell keeps it from that. */
  | { readonly kind: "waiting" }
  | { readonly kind: "connected"; readonly connection: Connection }
  | Failure;

/** Milliseconds for which a connection is kept that nobody looks at: the user may be back in a moment. */
const LINGER = 30_000;
const SETTLING = 200;
/** Milliseconds between signs of life where nobody looks; a kernel lets go of who is silent for three minutes. */
const HEARTBEAT = 80_000;
const GONE: ReadonlySet<Kernel.Status> = new Set(["restarting", "autorestarting", "terminating", "dead"]);

export class KernelLink implements IDisposable {
  readonly state: ReadonlySignal<LinkState>;
  /** The name of the document whose kernel it is about. */
  readonly name: ReadonlySignal<string>;
  /** Whether there is a kernel that could be connected. */
  readonly reachable: ReadonlySignal<boolean>;
  readonly #state = signal<LinkState>({ kind: "resting" });
  readonly #name = signal("");
  readonly #reachable = signal(false);
  readonly #follower: KernelFollower;
  readonly #auto: ReadonlySignal<boolean | null>;
  readonly #linger: number;
  readonly #stopSettings: () => void;
  /** Kernels that the user connected to by hand; that holds for their restarts. */
  readonly #wanted = new Set<string>();
  /** Kernels that are worth a question where somebody only watches: they were connected, or run code of the package. */
  readonly #known = new Set<string>();
  readonly #heartbeat: ReturnType<typeof setInterval>;
  #lookers = 0;
  #watchers = 0;
  #disposed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #connection: Connection | null = null;
  /** Ends with every change of what is shown: an answer that comes late must not paint over it. */
  #attempt = new AbortController();

  /**
   * @param auto whether looking is enough to connect; null until that is known
   * @param linger milliseconds for which a connection outlives its last looker
   * @param heartbeat milliseconds between signs of life of a connection that is only watched
   */
  constructor(follower: KernelFollower, auto: ReadonlySignal<boolean | null>, linger = LINGER, heartbeat = HEARTBEAT) {
    this.state = this.#state;
    this.name = this.#name;
    this.reachable = this.#reachable;
    this.#follower = follower;
    this.#auto = auto;
    this.#linger = linger;
    follower.changed.connect(this.#onKernel);
    follower.renamed.connect(this.#onName);
    follower.used.connect(this.#onUsed);
    window.addEventListener("pagehide", this.#onPageHide);
    window.addEventListener("pageshow", this.#onPageShow);
    this.#stopSettings = effect(() => {
      if (this.#auto.value !== null && !this.#connection) {
        this.#refresh();
      }
    });
    this.#heartbeat = setInterval(() => this.#giveSignOfLife(), heartbeat);
    this.#onName();
  }

  /** The document whose kernel it is about. */
  get target(): Target | null {
    return this.#follower.target;
  }

  /** Says that somebody looks, until the result is disposed. */
  look(): IDisposable {
    this.#lookers += 1;
    clearTimeout(this.#timer);
    if (this.#lookers === 1 && (!this.#connection || this.#connection.brief)) {
      this.#refresh();
    }
    return new DisposableDelegate(() => {
      this.#lookers -= 1;
      this.#restLater();
    });
  }

  /**
   * Keeps connections, until the result is disposed: to kernels that somebody has looked at, and to those in which the
   * user runs code of the package.
   */
  watch(): IDisposable {
    this.#watchers += 1;
    if (!this.#connection && this.#watchers === 1 && this.#lookers === 0) {
      this.#refresh();
    }
    return new DisposableDelegate(() => {
      this.#watchers -= 1;
      this.#restLater();
    });
  }

  /** Connects because the user says so, or tries again. */
  connect(): void {
    const kernel = this.#follower.kernel;
    if (kernel) {
      this.#wanted.add(kernel.id);
    }
    this.#letGo();
    this.#refresh();
  }

  get isDisposed(): boolean {
    return this.#disposed;
  }

  dispose(): void {
    this.#disposed = true;
    this.#follower.changed.disconnect(this.#onKernel);
    this.#follower.renamed.disconnect(this.#onName);
    this.#follower.used.disconnect(this.#onUsed);
    window.removeEventListener("pagehide", this.#onPageHide);
    window.removeEventListener("pageshow", this.#onPageShow);
    clearTimeout(this.#timer);
    clearInterval(this.#heartbeat);
    this.#stopSettings();
    this.#rest();
  }

  readonly #onName = (): void => {
    this.#name.value = this.#follower.name;
    this.#reachable.value = this.#follower.kernel !== null;
  };

  readonly #onKernel = (): void => {
    this.#onName();
    this.#letGo();
    this.#refresh(SETTLING);
  };

  readonly #onUsed = (): void => {
    const kernel = this.#follower.kernel;
    if (kernel && !this.#connection) {
      this.#known.add(kernel.id);
      if (this.#lookers === 0 && this.#watchers > 0) {
        this.#refresh(SETTLING); // Also beside an attempt, which may have found what was there before this code.
      }
    }
  };

  // A page that goes away tells the kernel, or each reload would leave a thread and two comms there.
  readonly #onPageHide = (): void => {
    this.#letGo(true);
    this.#state.value = { kind: "resting" };
  };

  readonly #onPageShow = ({ persisted }: PageTransitionEvent): void => {
    if (persisted) {
      this.#refresh();
    }
  };

  /**
   * Shows where things stand, and connects where that is wanted.
   *
   * @param after milliseconds in which the user may go on to another kernel, or run the first cells in this one
   */
  #refresh(after = 0): void {
    this.#attempt.abort();
    const attempt = new AbortController();
    this.#attempt = attempt;
    const kernel = this.#follower.kernel;
    if (this.#lookers === 0) {
      this.#state.value = { kind: "resting" };
      if (this.#watchers > 0 && kernel && this.#known.has(kernel.id) && this.#mayConnect(kernel)) {
        void this.#connectUnseen(kernel, after, attempt.signal);
      }
    } else if (!kernel) {
      this.#state.value = { kind: this.#withoutKernel() };
    } else if (this.#auto.peek() === null) {
      this.#state.value = { kind: "connecting" };
    } else if (!this.#mayConnect(kernel)) {
      this.#drop();
      this.#state.value = { kind: "offer", because: "asked" };
    } else {
      void this.#connect(kernel, after, attempt.signal);
    }
  }

  #mayConnect(kernel: Kernel.IKernelConnection): boolean {
    return this.#auto.peek() === true || this.#wanted.has(kernel.id);
  }

  #withoutKernel() {
    switch (this.#follower.life) {
      case "restarting":
      case "ended":
      case "starting":
        return this.#follower.life;
      default:
        return this.#follower.target ? "no-kernel" : "no-document";
    }
  }

  async #connect(kernel: Kernel.IKernelConnection, after: number, until: AbortSignal): Promise<void> {
    // A brief connection stays until the one with rows is there: whoever is content with it sees no gap.
    const isKnown = this.#connection?.besideCells === true;
    if (!isKnown) {
      this.#drop();
      this.#state.value = { kind: "connecting" };
    }
    try {
      const onBusy = () => {
        this.#state.value = { kind: "waiting" };
      };
      const connection = await (isKnown ? connectAgain(kernel, until) : connect(kernel, { onBusy, after }, until));
      if (until.aborted) {
        connection.close();
        return;
      }
      this.#take(connection);
    } catch (error) {
      if (!until.aborted) {
        this.#drop();
        this.#state.value = failureOf(error);
      }
    }
  }

  /** Connects for those who only watch: nothing is made in the kernel, and what fails is not told. */
  async #connectUnseen(kernel: Kernel.IKernelConnection, after: number, until: AbortSignal): Promise<void> {
    const connection = await connectToMade(kernel, after, until).catch(() => null);
    if (until.aborted) {
      connection?.close();
    } else if (connection) {
      this.#take(connection);
    } else {
      this.#known.delete(kernel.id); // Until it runs code of the package again.
    }
  }

  #take(connection: Connection): void {
    this.#connection?.close();
    this.#connection = connection;
    this.#known.add(connection.kernel.id);
    connection.ended.connect(this.#onEnded);
    this.#state.value = { kind: "connected", connection };
    if (!connection.comm_live) {
      this.#onEnded(connection, "unanswered");
    }
  }

  readonly #onEnded = (connection: Connection, ending: Ending): void => {
    if (connection !== this.#connection) {
      return;
    }
    this.#letGo();
    if (ending === "closed") {
      this.#known.delete(connection.kernel.id); // Or the next look at it would make a new manager.
      this.#state.value = { kind: "offer", because: "closed" };
    } else {
      this.#refresh();
    }
  };

  /** Closes the connection, and ends the attempt to get one. */
  #letGo(leaving = false): void {
    this.#attempt.abort();
    this.#drop(leaving);
  }

  #drop(leaving = false): void {
    const connection = this.#connection;
    this.#connection = null;
    if (connection && isThere(connection.kernel)) {
      connection.close(leaving);
    } else {
      connection?.abandon();
    }
  }

  #giveSignOfLife(): void {
    const connection = this.#connection;
    // Where it waits behind cells the kernel does not expect one; whoever looks gives its own.
    if (connection?.besideCells && this.#lookers === 0 && document.visibilityState === "visible") {
      connection.send({ kind: COMMAND_KIND, rid: "watch", name: "ping", args: {} } satisfies Command);
    }
  }

  #restLater(): void {
    if (this.#lookers > 0) {
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#watchers === 0) {
        this.#rest();
      } else if (!this.#connection) {
        this.#refresh(); // Also where the user has meanwhile gone on to a kernel that is watched.
      }
    }, this.#linger);
  }

  #rest(): void {
    this.#letGo();
    this.#state.value = { kind: "resting" };
  }
}

function isThere({ isDisposed, status }: Kernel.IKernelConnection): boolean {
  return !(isDisposed || GONE.has(status));
}
