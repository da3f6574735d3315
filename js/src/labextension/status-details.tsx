/** What the status bar's item opens: memory, the models in it, and the downloads, each with its buttons. */
import type { TranslationBundle } from "@jupyterlab/translation";
import type { Message } from "@lumino/messaging";
import { Widget } from "@lumino/widgets";
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import type { Row } from "../protocol/schema";
import { ActionButtons } from "../views/action-buttons";
import { useKeptFocus } from "../views/focus";
import { formatBytes } from "../views/format";
import { HealthMark } from "../views/health-mark";
import { LongList } from "../views/long-list";
import { MemoryMeter } from "../views/memory-meter";
import { mount } from "../views/mount";
import { Notices } from "../views/notices";
import { hasBar, ProgressBar } from "../views/progress-bar";
import type { ViewState } from "../views/state";
import type { ViewModel } from "../views/view-model";

/** A button at the end of the popup. */
interface Way {
  readonly label: string;
  action(): void;
}

export class StatusDetails extends Widget {
  readonly #unmount: () => void;

  /** @param name the document whose kernel it is about */
  constructor(model: ViewModel, name: string, trans: TranslationBundle, way: Way | null) {
    super();
    this.addClass("rmm-StatusDetails");
    this.node.tabIndex = -1;
    this.node.setAttribute("role", "dialog");
    this.node.setAttribute("aria-label", trans.__("Models of %1", name));
    const View = ({ state }: { state: ViewState }) => <Details state={state} name={name} trans={trans} way={way} />;
    this.#unmount = mount(View, model, this.node);
  }

  protected override onBeforeDetach(message: Message): void {
    this.#unmount();
    super.onBeforeDetach(message);
  }
}

interface DetailsProps {
  readonly state: ViewState;
  readonly name: string;
  readonly trans: TranslationBundle;
  readonly way: Way | null;
}

function Details({ state, name, trans, way }: DetailsProps) {
  const element = useRef<HTMLDivElement>(null);
  // Escape is heard where the focus is.
  useKeptFocus(element, element);
  const summary = state.summary.value;
  const rows = state.rows.value;
  const downloads = rows.filter((row) => hasBar(row) && row.status !== "loading");
  const loaded = rows.filter((row) => row.status === "loaded" || row.status === "loading");
  return (
    <div ref={element} class="rmm-panel rmm-status-details" data-connected={state.connected.value} tabIndex={-1}>
      <p class="rmm-status-head">{name}</p>
      {summary && summary.budget > 0 && <MemoryMeter summary={summary} />}
      <Notices state={state} />
      <Part head={trans.__("In memory")} none={trans.__("No model is loaded.")} rows={loaded}>
        {(row) => <Loaded key={row.id} row={row} state={state} />}
      </Part>
      <Part head={trans.__("Downloads")} none={trans.__("Nothing is being downloaded.")} rows={downloads}>
        {(row) => <Download key={row.id} row={row} state={state} />}
      </Part>
      {way && (
        <button type="button" class="rmm-button rmm-status-way" onClick={way.action}>
          {way.label}
        </button>
      )}
    </div>
  );
}

interface PartProps {
  readonly head: string;
  readonly none: string;
  readonly rows: readonly Row[];
  children(row: Row): ComponentChildren;
}

function Part({ head, none, rows, children }: PartProps) {
  return (
    <section aria-label={head}>
      <p class="rmm-status-part">{head}</p>
      {rows.length === 0 ? (
        <p class="rmm-small">{none}</p>
      ) : (
        <ul class="rmm-list rmm-downloads" aria-label={head}>
          <LongList rows={rows} matters={() => true}>
            {children}
          </LongList>
        </ul>
      )}
    </section>
  );
}

function Loaded({ row, state }: { row: Row; state: ViewState }) {
  return (
    <li class="rmm-download" data-status={row.status}>
      <Head row={row} state={state}>
        {row.status === "loaded" && <HealthMark health={row.health} reason={row.health_reason} />}
        {row.memory > 0 && <span class="rmm-small">{formatBytes(row.memory)}</span>}
      </Head>
      {row.status === "loading" && <ProgressBar row={row} progress={state.progress} />}
    </li>
  );
}

function Download({ row, state }: { row: Row; state: ViewState }) {
  return (
    <li class="rmm-download" data-status={row.status}>
      <Head row={row} state={state} />
      <ProgressBar row={row} progress={state.progress} />
    </li>
  );
}

function Head({ row, state, children }: { row: Row; state: ViewState; children?: ComponentChildren }) {
  return (
    <div class="rmm-download-head">
      <span class="rmm-id" title={row.id}>
        {row.id}
      </span>
      {children}
      <span class="rmm-download-buttons">
        <ActionButtons row={row} state={state} />
      </span>
    </div>
  );
}
