/**
 * The rows and downloads of one widget model, for all of its views.
 *
 * The kernel sends all of them once and then only what changed, numbered. A view that is drawn later has not seen those
 * changes, so the store lives as long as the model does, not the view.
 */
import { batch, type ReadonlySignal, signal } from "@preact/signals";
import type { AllRows, Row, RowChanges } from "../protocol/schema";
import { CommandClient, CommandFailed } from "./command-client";
import { NO_PROGRESS, type ProgressTable, readProgress, withProgress } from "./progress-table";
import { NO_ROWS, type RowTable, readChanges, readRows, withAll, withChanges } from "./row-table";
import type { ViewModel } from "./view-model";

const PATIENCE = 30_000;

export class RowStore {
  readonly rows: ReadonlySignal<readonly Row[]>;
  readonly progress: ReadonlySignal<ProgressTable>;
  readonly #rows = signal<readonly Row[]>([]);
  readonly #progress = signal<ProgressTable>(NO_PROGRESS);
  readonly #model: ViewModel;
  readonly #client: CommandClient;
  #table: RowTable = NO_ROWS;
  #downloads: ProgressTable = NO_PROGRESS;
  #seq = -1;
  /** The traits' values that were taken last: they come together, with an event each. */
  #taken: readonly unknown[] = [];
  /** Null where no number was missed; else the changes that came since all rows were asked for. */
  #sinceAsked: Required<RowChanges>[] | null = null;
  #asking = false;

  constructor(model: ViewModel, until: AbortSignal) {
    this.rows = this.#rows;
    this.progress = this.#progress;
    this.#model = model;
    this.#client = new CommandClient(model, until);
    const listeners = [
      ["change:_rows", this.#onAll],
      ["change:_rows_seq", this.#onAll],
      ["change:_progress", this.#onAll],
      ["change:_changes", this.#onChanges],
    ] as const;
    for (const [event, listener] of listeners) {
      model.on(event, listener);
    }
    until.addEventListener("abort", () => {
      for (const [event, listener] of listeners) {
        model.off(event, listener);
      }
    });
    this.#onAll();
    this.#onChanges();
  }

  readonly #onAll = (): void => {
    const taken = ["_rows", "_rows_seq", "_progress"].map((name) => this.#model.get(name));
    const [rows, number, progress] = taken;
    const seq = Number(number ?? 0);
    if (seq >= this.#seq && taken.some((value, at) => value !== this.#taken[at])) {
      this.#taken = taken;
      this.#takeAll(seq, readRows(rows), readProgress(progress));
    }
  };

  readonly #onChanges = (): void => {
    const changes = readChanges(this.#model.get("_changes"));
    if (!changes || changes.seq <= this.#seq) {
      return;
    }
    const isWhole = this.#sinceAsked === null && changes.seq === this.#seq + 1;
    // Also after a gap: what is known to be new is shown at once, what was missed follows.
    this.#apply(changes, isWhole);
    this.#show();
    if (this.#asking) {
      this.#sinceAsked?.push(changes);
    } else if (!isWhole) {
      void this.#askForAll();
    }
  };

  async #askForAll(): Promise<void> {
    this.#asking = true;
    this.#sinceAsked = [];
    try {
      const answer = (await this.#client.request("rows", {}, PATIENCE)) as Partial<AllRows> | null;
      // The trait may have brought all rows meanwhile; an answer without rows is none.
      if (this.#sinceAsked && answer && Array.isArray(answer.rows)) {
        this.#takeAll(Number(answer.seq), readRows(answer.rows), readProgress(answer.progress));
      }
    } catch (error) {
      if (!(error instanceof CommandFailed)) {
        throw error;
      }
      // The next change asks again.
    } finally {
      this.#asking = false;
    }
  }

  #takeAll(seq: number, rows: readonly Row[], progress: ProgressTable): void {
    const later = (this.#sinceAsked ?? []).filter((changes) => changes.seq > seq);
    this.#sinceAsked = null;
    this.#seq = seq;
    this.#table = withAll(this.#table, rows);
    this.#downloads = progress;
    for (const changes of later) {
      this.#apply(changes, true);
    }
    this.#show();
  }

  #apply(changes: Required<RowChanges>, isWhole: boolean): void {
    this.#seq = changes.seq;
    this.#table = withChanges(this.#table, changes);
    this.#downloads = withProgress(this.#downloads, changes, this.#table.rows, isWhole);
  }

  #show(): void {
    batch(() => {
      this.#rows.value = this.#table.rows;
      this.#progress.value = this.#downloads;
    });
  }
}
