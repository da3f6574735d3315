/** A search on the Hub, and what is added from it: shared by the launcher in the panel and the dialog. */
import { batch, signal } from "@preact/signals";
import type { ModelType, SearchResult } from "../protocol/schema";
import { Attempt } from "./attempt";
import type { ViewState } from "./state";

const REPOSITORY = /^[\w.-]+\/[\w.-]+$/;

/** What the user typed is one repository's full name, not words. */
export function isRepository(text: string): boolean {
  return REPOSITORY.test(text);
}

export class HubQuery {
  readonly text = signal("");
  readonly type = signal<ModelType | "">("");
  /** Bytes that a model may have on the Hub, 0 for any number. */
  readonly maxSize = signal(0);
  readonly attempt = new Attempt();
  readonly results = signal<readonly SearchResult[] | null>(null);
  /** The words that the results are for. */
  readonly asked = signal("");
  readonly #state: ViewState;
  /** Ids of what was added here, by repository: the rows may come later than the answer. */
  readonly #added = signal<Readonly<Record<string, string>>>({});

  constructor(state: ViewState) {
    this.#state = state;
  }

  /** The id under which a repository is registered, empty where it is not. */
  registeredAs(result: SearchResult): string {
    const row = this.#state.rows.value.find(({ repo }) => repo === result.repo);
    return row?.id ?? this.#added.value[result.repo] ?? result.registered ?? "";
  }

  /** Adds where the text is a repository's name, searches where it is words. */
  submit(): void {
    const text = this.text.value.trim();
    if (text) {
      void (isRepository(text) ? this.add(text) : this.search());
    }
  }

  search(): Promise<void> {
    const query = this.text.value.trim();
    const type = this.type.value;
    const maxSize = this.maxSize.value;
    return this.attempt.run("Asking the Hub…", async () => {
      const found = await this.#state.ask("search", {
        query,
        ...(type && { type }),
        ...(maxSize > 0 && { max_size: maxSize }),
      });
      const results = Array.isArray(found) ? (found as readonly SearchResult[]) : [];
      batch(() => {
        this.results.value = results;
        this.asked.value = query;
        // Not the words on the screen, which the reader would then come across twice.
        this.attempt.said.value = `Found ${results.length === 1 ? "one repository" : `${results.length} repositories`}`;
      });
    });
  }

  /** @param name the id it shall have; empty for one after the repository */
  add(repo: string, name = "", type: ModelType | "" = ""): Promise<void> {
    return this.attempt.run(`Adding ${repo}…`, async () => {
      const args = { repo, ...(name && { model_id: name }), ...(type && { type }) };
      const answer = (await this.#state.ask("add", args)) as { readonly id?: unknown } | null;
      const id = typeof answer?.id === "string" ? answer.id : repo;
      batch(() => {
        this.#added.value = { ...this.#added.value, [repo]: id };
        this.attempt.said.value = `Added ${id}`;
      });
    });
  }

  close(): void {
    this.results.value = null;
  }
}

export function foundWords(count: number): string {
  return count === 0 ? "Nothing found." : `${count} found`;
}
