/**
 * The little that a view asks of its host.
 *
 * An anywidget model satisfies it, and so does the side panel's connection. Views know nothing else of Jupyter.
 */
export interface ViewModel {
  /** The current value of a piece of kernel state, for example `_rows`. */
  get(name: string): unknown;
  /** Calls back on `change:NAME`, `msg:custom` (with the message) and `comm_live_update`. */
  on(event: string, callback: EventCallback): void;
  off(event: string, callback: EventCallback): void;
  /** Sets a trait that the user owns, and sends it; absent where the host has no such traits. */
  set?(name: string, value: unknown): void;
  save_changes?(): void;
  /** Sends a custom message to the kernel, with bytes beside it; hosts that take no bytes leave them out. */
  send(content: unknown, callbacks?: undefined, buffers?: ArrayBuffer[]): void;
  /** False once the way to the kernel is closed; absent where the host does not tell. */
  readonly comm_live?: boolean;
  /** Opens the way to the kernel anew, where the kernel is there but does not know this view; absent where it cannot. */
  renew?(): void;
  /** The kernel connection of the host, or what holds it (anywidget's `widget_manager`); see `host-kernel`. */
  readonly kernel?: unknown;
  readonly widget_manager?: unknown;
}

// biome-ignore lint/suspicious/noExplicitAny: hosts pass what they like; each callback checks what it gets
export type EventCallback = (...args: any[]) => void;
