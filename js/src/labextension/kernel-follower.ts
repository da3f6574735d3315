/** Follows the notebook or console the user works in, and the life of its kernel. */
import type { ISessionContext } from "@jupyterlab/apputils";
import type { IConsoleTracker } from "@jupyterlab/console";
import type { INotebookTracker } from "@jupyterlab/notebook";
import type { Kernel } from "@jupyterlab/services";
import { type ISignal, Signal } from "@lumino/signaling";

/** A document with a kernel of its own. */
export interface Target {
  readonly name: string;
  readonly sessionContext: ISessionContext;
}

const GONE: ReadonlySet<Kernel.Status> = new Set(["restarting", "autorestarting", "terminating", "dead"]);

export class KernelFollower {
  readonly #notebooks: INotebookTracker;
  readonly #consoles: IConsoleTracker | null;
  readonly #changed = new Signal<this, void>(this);
  #target: Target | null = null;
  #restarting = false;

  constructor(notebooks: INotebookTracker, consoles: IConsoleTracker | null) {
    this.#notebooks = notebooks;
    this.#consoles = consoles;
    notebooks.currentChanged.connect(this.#onNotebook);
    consoles?.currentChanged.connect(this.#onConsole);
    this.#onNotebook();
  }

  /** The document used last; another panel or a text file in front does not change it. */
  get target(): Target | null {
    return this.#target;
  }

  /** The kernel of the target, null where it has none that could answer. */
  get kernel(): Kernel.IKernelConnection | null {
    return this.#restarting ? null : (this.#target?.sessionContext.session?.kernel ?? null);
  }

  get restarting(): boolean {
    return this.#restarting;
  }

  /** Emits on another document, another kernel, the end of a kernel and its return. */
  get changed(): ISignal<this, void> {
    return this.#changed;
  }

  readonly #onNotebook = (): void => {
    const notebook = this.#notebooks.currentWidget;
    if (notebook) {
      this.#follow({ name: notebook.context.path, sessionContext: notebook.sessionContext });
    } else {
      this.#onConsole();
    }
  };

  readonly #onConsole = (): void => {
    const console = this.#consoles?.currentWidget;
    if (console) {
      this.#follow({ name: console.sessionContext.name, sessionContext: console.sessionContext });
    } else if (!this.#notebooks.currentWidget) {
      this.#follow(null);
    }
  };

  #follow(target: Target | null): void {
    if (target?.sessionContext === this.#target?.sessionContext) {
      return;
    }
    this.#target?.sessionContext.kernelChanged.disconnect(this.#onKernel);
    this.#target?.sessionContext.statusChanged.disconnect(this.#onStatus);
    this.#target = target;
    this.#restarting = false;
    target?.sessionContext.kernelChanged.connect(this.#onKernel);
    target?.sessionContext.statusChanged.connect(this.#onStatus);
    this.#changed.emit();
  }

  readonly #onKernel = (): void => {
    this.#restarting = false;
    this.#changed.emit();
  };

  readonly #onStatus = (_: ISessionContext, status: Kernel.Status): void => {
    if (GONE.has(status)) {
      this.#restarting = true;
      this.#changed.emit();
    } else if (this.#restarting && status === "idle") {
      this.#restarting = false;
      this.#changed.emit();
    }
  };
}
