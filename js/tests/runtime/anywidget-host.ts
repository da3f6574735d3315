/**
 * A host like a notebook, without one: ipywidgets' own manager, models and views, and anywidget's own runtime.
 *
 * Only the wire is ours: a comm whose other end the test holds.
 */
import * as base from "@jupyter-widgets/base";
import { ManagerBase } from "@jupyter-widgets/base-manager";
import { Widget } from "@lumino/widgets";
import { COMMAND_KIND, type Command, PROTOCOL_VERSION, REPLY_KIND, type Row } from "../../src/protocol/schema";
import { BUNDLES, CSS } from "./bundles";

type Classes = Record<string, typeof base.WidgetModel | typeof base.WidgetView>;
type Receive = (message: unknown) => void;

let runtime: Promise<Classes> | undefined;

/** anywidget's classes. Its runtime is made for RequireJS, so it hands its factory to a global `define`. */
function anywidgetRuntime(): Promise<Classes> {
  runtime ??= (async () => {
    let made: Classes | undefined;
    const scope = globalThis as { define?: unknown };
    scope.define = (_names: readonly string[], factory: (widgets: typeof base) => Classes) => {
      made = factory(base);
    };
    await import("anywidget");
    delete scope.define;
    if (!made) {
      throw new Error("anywidget's runtime did not define its classes");
    }
    return made;
  })();
  return runtime;
}

class Manager extends ManagerBase {
  protected override async loadClass(name: string, module: string): Promise<Classes[string]> {
    const classes = module === "anywidget" ? await anywidgetRuntime() : (base as unknown as Classes);
    const found = classes[name];
    if (!found) {
      throw new Error(`${module} has no ${name}`);
    }
    return found;
  }

  protected override _create_comm(): Promise<base.IClassicComm> {
    return Promise.reject(new Error("views open no comms"));
  }

  protected override _get_comm_info(): Promise<Record<string, never>> {
    return Promise.resolve({});
  }
}

/** The kernel's end of one widget's comm. */
export class KernelEnd implements base.IClassicComm {
  readonly comm_id: string;
  readonly target_name = "jupyter.widget";
  /** The commands that the front end sent, pings included. */
  readonly commands: Command[] = [];
  /** State that the front end tried to write. */
  readonly written: unknown[] = [];
  #receive: Receive = () => undefined;
  #alive = true;
  #seq = 1;

  constructor(id: string) {
    this.comm_id = id;
  }

  on_msg(callback: Receive): void {
    this.#receive = callback;
  }

  on_close(): void {
    // A kernel that dies says nothing.
  }

  send(data: unknown): string {
    // What travels is JSON; a copy keeps the test honest.
    const { method, content, state } = JSON.parse(JSON.stringify(data)) as Record<string, unknown>;
    if (method === "update") {
      this.written.push(state);
    } else if (method === "custom" && (content as Command).kind === COMMAND_KIND) {
      this.commands.push(content as Command);
      if ((content as Command).name === "ping" && this.#alive) {
        queueMicrotask(() => this.answer(content as Command, { version: "0.1.0", protocol: PROTOCOL_VERSION }));
      }
    } else {
      throw new Error(`not of our protocol: ${JSON.stringify(data)}`);
    }
    return crypto.randomUUID();
  }

  open(): string {
    throw new Error("the kernel opens it");
  }

  close(): string {
    return "";
  }

  /** No ping is answered any more. */
  die(): void {
    this.#alive = false;
  }

  update(state: Record<string, unknown>): void {
    this.#deliver({ method: "update", state: JSON.parse(JSON.stringify(state)), buffer_paths: [] });
  }

  /** All rows anew, as after a request for the state. */
  rows(rows: readonly Row[]): void {
    this.#seq += 1;
    this.update({ _rows: rows, _rows_seq: this.#seq });
  }

  /** Only the rows that changed, as a running kernel tells. */
  changed(...rows: readonly Row[]): void {
    this.#seq += 1;
    this.update({ _changes: { seq: this.#seq, changed: rows } });
  }

  answer(command: Command, value: unknown): void {
    this.custom({ kind: REPLY_KIND, rid: command.rid, ok: true, value });
  }

  refuse(command: Command, message: string): void {
    this.custom({ kind: REPLY_KIND, rid: command.rid, ok: false, error: { type: "E", message, hint: "" } });
  }

  custom(content: unknown): void {
    this.#deliver({ method: "custom", content });
  }

  /** The last command of that name, or undefined. */
  last(name: string): Command | undefined {
    return this.commands.filter((command) => command.name === name).at(-1);
  }

  #deliver(data: unknown): void {
    this.#receive({
      header: { msg_type: "comm_msg", msg_id: crypto.randomUUID() },
      parent_header: {},
      metadata: {},
      content: { comm_id: this.comm_id, data },
      buffers: [],
    });
  }
}

const shown: Widget[] = [];
const managers: Manager[] = [];

/** Takes everything off the page. */
export async function clean(): Promise<void> {
  for (const widget of shown.splice(0)) {
    widget.dispose();
  }
  for (const manager of managers.splice(0)) {
    await manager.clear_state();
  }
  document.body.replaceChildren();
}

/** A displayed widget: its model in the page, and the kernel's end of it. */
export class ShownWidget {
  readonly kernel: KernelEnd;
  readonly model: base.DOMWidgetModel;
  readonly manager: Manager;

  private constructor(manager: Manager, model: base.DOMWidgetModel, kernel: KernelEnd) {
    this.manager = manager;
    this.model = model;
    this.kernel = kernel;
  }

  /** Opens the model of one of our widgets; no view is shown yet. */
  static open(bundle: string, state: Record<string, unknown>): Promise<ShownWidget> {
    const esm = BUNDLES.get(bundle);
    if (esm === undefined) {
      throw new Error(`no bundle ${bundle}: is the front end built?`);
    }
    return ShownWidget.openModule(esm, state);
  }

  /** Opens a model as a kernel does. */
  static async openModule(esm: string, state: Record<string, unknown>): Promise<ShownWidget> {
    const manager = new Manager();
    managers.push(manager);
    const id = crypto.randomUUID();
    const kernel = new KernelEnd(id);
    const options = {
      model_id: id,
      model_name: "AnyModel",
      model_module: "anywidget",
      model_module_version: "~0.11.*",
      view_name: "AnyView",
      view_module: "anywidget",
      view_module_version: "~0.11.*",
      comm: kernel,
    };
    const model = await manager.new_model(options, {
      _anywidget_id: "rmm_widgets.tested",
      _view_name: "AnyView",
      _view_module: "anywidget",
      _view_module_version: "~0.11.*",
      _esm: esm,
      _css: CSS,
      _rows: [],
      _rows_seq: 1,
      _changes: {},
      _progress: {},
      _summary: {},
      _model_ids: null,
      ...(JSON.parse(JSON.stringify(state)) as object),
    });
    return new ShownWidget(manager, model as base.DOMWidgetModel, kernel);
  }

  /** Shows one more view of it. */
  async display(): Promise<{ element: HTMLElement; remove(): void }> {
    const view = await this.manager.create_view(this.model);
    const widget = (view as base.DOMWidgetView).luminoWidget;
    Widget.attach(widget, document.body);
    shown.push(widget);
    return { element: widget.node, remove: () => widget.dispose() };
  }

  /** How many callbacks hang on the model, by event. */
  get listeners(): Record<string, number> {
    const events = (this.model as unknown as { _events?: Record<string, unknown[]> })._events ?? {};
    return Object.fromEntries(Object.entries(events).map(([name, callbacks]) => [name, callbacks.length]));
  }
}
