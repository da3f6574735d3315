/** Documents with kernels, their trackers and the shell around them, as JupyterLab has them. */
import type { JupyterFrontEnd } from "@jupyterlab/application";
import type { ISessionContext } from "@jupyterlab/apputils";
import type { INotebookTracker } from "@jupyterlab/notebook";
import type { Kernel, KernelMessage } from "@jupyterlab/services";
import { PromiseDelegate } from "@lumino/coreutils";
import { Signal } from "@lumino/signaling";
import { Widget } from "@lumino/widgets";
import type { FakeKernel } from "./fake-kernel";

/** A document's way to its kernel. */
class FakeSessionContext {
  readonly kernelChanged = new Signal<this, unknown>(this);
  readonly statusChanged = new Signal<this, Kernel.Status>(this);
  readonly iopubMessage = new Signal<this, KernelMessage.IIOPubMessage>(this);
  readonly #ready = new PromiseDelegate<void>();
  kernelDisplayStatus: ISessionContext.KernelDisplayStatus = "initializing";
  session: { kernel: Kernel.IKernelConnection } | null = null;

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** The document has its kernel, another one, or none. */
  use(kernel: FakeKernel | null): void {
    this.session = kernel && { kernel: kernel.connection };
    this.kernelDisplayStatus = kernel ? "idle" : "unknown";
    kernel?.iopubMessage.connect((_, message) => this.iopubMessage.emit(message));
    kernel?.statusChanged.connect((_, status) => this.statusChanged.emit(status));
    this.#ready.resolve();
    this.kernelChanged.emit(undefined);
  }
}

export class FakeDocument extends Widget {
  readonly sessionContext = new FakeSessionContext();

  constructor(name: string, kernel: FakeKernel | null) {
    super();
    this.title.label = name;
    if (kernel) {
      this.sessionContext.use(kernel);
    }
  }
}

export class FakeTracker {
  readonly currentChanged = new Signal<this, FakeDocument | null>(this);
  readonly #known = new Set<Widget>();
  currentWidget: FakeDocument | null = null;

  add(document: FakeDocument): void {
    this.#known.add(document);
    document.disposed.connect(() => {
      this.#known.delete(document);
      if (this.currentWidget === document) {
        this.choose(([...this.#known].at(-1) as FakeDocument | undefined) ?? null);
      }
    });
    this.choose(document);
  }

  choose(document: FakeDocument | null): void {
    if (document !== this.currentWidget) {
      this.currentWidget = document;
      this.currentChanged.emit(document);
    }
  }

  has(widget: Widget): boolean {
    return this.#known.has(widget);
  }

  /** As the extension sees it. */
  get tracker(): INotebookTracker {
    return this as unknown as INotebookTracker;
  }
}

export class FakeShell {
  readonly currentChanged = new Signal<this, unknown>(this);
  currentWidget: Widget | null = null;

  /** Brings something to the front. */
  show(widget: Widget | null): void {
    this.currentWidget = widget;
    this.currentChanged.emit(undefined);
  }

  get shell(): JupyterFrontEnd.IShell {
    return this as unknown as JupyterFrontEnd.IShell;
  }
}
