/**
 * Which connections the pages of this browser tab have made, so that a page can name those of the page before it.
 *
 * A page that goes away closes its connections, but what it sends last may be lost with its socket. The next page then
 * tells the kernel, which would else keep a thread and two comms for somebody who is gone.
 */
const KEY = "rmm-widgets:connections";
/** Records that a tab keeps. */
const MOST = 32;

/** One connection, as it is remembered. */
export interface ConnectionRecord {
  /** The kernel's id. */
  readonly kernel: string;
  /** The name that the connection gave itself. */
  readonly client: string;
  /** The kernel's thread for it, null for the main one. */
  readonly subshell: string | null;
}

export class TabConnections {
  readonly #storage: Pick<Storage, "getItem" | "setItem"> | null;
  /** The clients of this page: they are not left behind. */
  readonly #own = new Set<string>();

  /** @param storage what outlives the pages of a tab, null where there is no such thing */
  constructor(storage: Pick<Storage, "getItem" | "setItem"> | null) {
    this.#storage = storage;
  }

  /** A connection of this page was opened. */
  add(record: ConnectionRecord): void {
    this.#own.add(record.client);
    this.#write([...this.#read(), record].slice(-MOST));
  }

  /** A connection has ended in the kernel, too, or with it. */
  forget(...clients: readonly string[]): void {
    const gone = new Set(clients);
    this.#write(this.#read().filter(({ client }) => !gone.has(client)));
  }

  /** What pages before this one may have left in a kernel. */
  leftIn(kernel: string): readonly ConnectionRecord[] {
    return this.#read().filter((record) => record.kernel === kernel && !this.#own.has(record.client));
  }

  #read(): ConnectionRecord[] {
    try {
      const records: unknown = JSON.parse(this.#storage?.getItem(KEY) ?? "[]");
      return Array.isArray(records) ? records.filter(isRecord) : [];
    } catch {
      return []; // Somebody else wrote there, or the browser lets nobody read.
    }
  }

  #write(records: readonly ConnectionRecord[]): void {
    try {
      this.#storage?.setItem(KEY, JSON.stringify(records));
    } catch {
      // Without it the kernel finds out by itself, only later.
    }
  }
}

function isRecord(value: unknown): value is ConnectionRecord {
  const { kernel, client, subshell } = (value ?? {}) as Partial<ConnectionRecord>;
  return (
    typeof kernel === "string" && typeof client === "string" && (subshell === null || typeof subshell === "string")
  );
}

/** Those of this page's tab. */
export const tabConnections = new TabConnections(storageOfTab());

function storageOfTab(): Storage | null {
  try {
    return window.sessionStorage;
  } catch {
    return null; // The user forbids it.
  }
}
