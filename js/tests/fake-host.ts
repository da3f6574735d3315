/** The kernel's side of a view: state that a test sets, and commands that it answers. */
import { vi } from "vitest";
import { COMMAND_KIND, type Command, type CommandError, PROTOCOL_VERSION, REPLY_KIND } from "../src/protocol/schema";
import type { EventCallback, ViewModel } from "../src/views/view-model";

export class FakeHost implements ViewModel {
  readonly sent: Command[] = [];
  /** What came beside each command. */
  readonly buffers = new Map<string, readonly ArrayBuffer[]>();
  /** Whether pings are answered. */
  alive = true;
  protocol = PROTOCOL_VERSION;
  comm_live?: boolean;
  /** How often the view sent what it had set. */
  saves = 0;
  widget_manager?: unknown;
  renew?: () => void;
  readonly #state: Record<string, unknown>;
  readonly #answered = new Set<string>();
  readonly #callbacks = new Map<string, Set<EventCallback>>();

  constructor(state: Record<string, unknown>) {
    this.#state = { _rows: [], _rows_seq: 0, _changes: {}, _progress: {}, _summary: null, _model_ids: null, ...state };
  }

  get(name: string): unknown {
    return this.#state[name];
  }

  set(name: string, value: unknown): void {
    this.#state[name] = value;
    this.emit(`change:${name}`);
  }

  save_changes(): void {
    this.saves += 1;
  }

  on(event: string, callback: EventCallback): void {
    const callbacks = this.#callbacks.get(event) ?? new Set();
    this.#callbacks.set(event, callbacks.add(callback));
  }

  off(event: string, callback: EventCallback): void {
    this.#callbacks.get(event)?.delete(callback);
  }

  send(content: unknown, _callbacks?: undefined, buffers: ArrayBuffer[] = []): void {
    // What travels is JSON; a copy keeps the test honest.
    const command = JSON.parse(JSON.stringify(content)) as Command;
    if (command.kind !== COMMAND_KIND) {
      throw new Error(`not a command: ${JSON.stringify(content)}`);
    }
    this.sent.push(command);
    this.buffers.set(command.rid, buffers);
    if (command.name === "ping" && this.alive) {
      queueMicrotask(() => this.reply(command, { version: "0.1.0", protocol: this.protocol }));
    }
  }

  reply(command: Command, value: unknown): void {
    this.#answered.add(command.rid);
    this.emit("msg:custom", { kind: REPLY_KIND, rid: command.rid, ok: true, value });
  }

  refuse(command: Command, error: CommandError): void {
    this.#answered.add(command.rid);
    this.emit("msg:custom", { kind: REPLY_KIND, rid: command.rid, ok: false, error });
  }

  emit(event: string, ...args: unknown[]): void {
    for (const callback of [...(this.#callbacks.get(event) ?? [])]) {
      callback(...args);
    }
  }

  /** How many callbacks are registered; none may stay behind a view that is gone. */
  get listeners(): number {
    return [...this.#callbacks.values()].reduce((sum, callbacks) => sum + callbacks.size, 0);
  }

  /** The commands sent so far, without pings. */
  get commands(): Pick<Command, "name" | "args">[] {
    return this.sent.filter(({ name }) => name !== "ping").map(({ name, args }) => ({ name, args: args ?? {} }));
  }

  /** The last command of that name that has no answer yet, once there is one: views ask after they are drawn. */
  asked(name: string): Promise<Command> {
    return vi.waitFor(() => {
      const command = this.sent.filter((candidate) => candidate.name === name).at(-1);
      if (!command || this.#answered.has(command.rid)) {
        throw new Error(`no ${name} waits for an answer`);
      }
      return command;
    });
  }

  /** The last command of that name. */
  last(name: string): Command {
    const command = this.sent.filter((candidate) => candidate.name === name).at(-1);
    if (!command) {
      throw new Error(`no ${name} was sent`);
    }
    return command;
  }
}
