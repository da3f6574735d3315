/**
 * What the user has set up in a view: filter, columns, open details, what was typed.
 *
 * A view has one of its own; where the host takes views away and draws them again, as a side bar does, it keeps one and
 * gives it to the next view.
 */
import { type Signal, signal } from "@preact/signals";
import type { ColumnKey } from "./columns";
import type { Drafts } from "./details/settings-draft";
import { Recent } from "./recent";
import { type Filter, NO_FILTER } from "./row-filter";
import type { Sort } from "./row-sort";
import type { Selection } from "./selection";
import { TrialMemory } from "./trial/trial-memory";

/** Models whose last trial is kept: pictures take memory. */
const MOST_TRIALS = 8;

export class ViewMemory {
  readonly filter = signal<Filter>(NO_FILTER);
  readonly sort = signal<Sort | null>(null);
  /** The columns that the user chose, null for those that the view begins with. */
  readonly columns = signal<ReadonlySet<ColumnKey> | null>(null);
  /** The models that the user chose, by id. */
  readonly selected = signal<Selection>(new Set());
  /** The model whose details are open. */
  readonly open = signal<string | null>(null);
  /** Which of the tabs there is shown; the first one for a model that has just been opened. */
  readonly tab = signal(0);
  /** Whether the log is open. */
  readonly log = signal(false);
  readonly #drafts = new Map<string, Signal<Drafts>>();
  readonly #trials = new Recent(MOST_TRIALS, () => new TrialMemory());

  constructor() {
    this.open.subscribe(() => {
      this.tab.value = 0;
    });
  }

  /** What was typed into the settings of a model and not applied. */
  drafts(id: string): Signal<Drafts> {
    const drafts = this.#drafts.get(id) ?? signal<Drafts>({});
    this.#drafts.set(id, drafts);
    return drafts;
  }

  /** What a model was tried with last, and what came of it. */
  trial(id: string): TrialMemory {
    return this.#trials.of(id);
  }
}
