/** A kernel connection as JupyterLab's widget manager holds it. */

type Slot = () => void;

class FakeSignal {
  readonly #slots = new Set<Slot>();

  connect(slot: Slot): void {
    this.#slots.add(slot);
  }

  disconnect(slot: Slot): void {
    this.#slots.delete(slot);
  }

  emit(): void {
    for (const slot of [...this.#slots]) {
      slot();
    }
  }

  get slots(): number {
    return this.#slots.size;
  }
}

export class FakeKernel {
  readonly statusChanged = new FakeSignal();
  readonly connectionStatusChanged = new FakeSignal();
  readonly disposed = new FakeSignal();
  status = "idle";
  connectionStatus = "connected";
  isDisposed = false;

  become(status: string): void {
    this.status = status;
    this.statusChanged.emit();
  }

  connection(status: string): void {
    this.connectionStatus = status;
    this.connectionStatusChanged.emit();
  }

  dispose(): void {
    this.isDisposed = true;
    this.disposed.emit();
  }

  get slots(): number {
    return this.statusChanged.slots + this.connectionStatusChanged.slots + this.disposed.slots;
  }
}
