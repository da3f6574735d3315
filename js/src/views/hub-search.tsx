/** Finds repositories on the Hub and adds them to the registry. */
import { useSignal } from "@preact/signals";
import type { SearchResult } from "../protocol/schema";
import { formatBytes, words } from "./format";
import type { ViewState } from "./state";

const REPOSITORY = /^[\w.-]+\/[\w.-]+$/;

export function HubSearch({ state }: { state: ViewState }) {
  const text = useSignal("");
  const busy = useSignal(false);
  const results = useSignal<readonly SearchResult[] | null>(null);
  const query = text.value.trim();

  const act = async (work: () => Promise<void>) => {
    busy.value = true;
    await work();
    busy.value = false;
  };
  const add = (repo: string) =>
    act(async () => {
      await state.run("add", { repo });
    });
  const search = () =>
    act(async () => {
      const found = await state.run("search", { query });
      results.value = Array.isArray(found) ? (found as SearchResult[]) : null;
    });
  const onSubmit = (event: Event) => {
    event.preventDefault();
    if (query) {
      void (REPOSITORY.test(query) ? add(query) : search());
    }
  };

  const disabled = busy.value || !state.connected.value;
  return (
    <form class="rmm-hub" onSubmit={onSubmit} aria-busy={busy.value}>
      <input
        class="rmm-input"
        type="text"
        aria-label="Repository or search words"
        placeholder="owner/name, or words to search for"
        autocomplete="off"
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
      />
      <button
        type="button"
        class="rmm-button"
        disabled={disabled || !REPOSITORY.test(query)}
        onClick={() => void add(query)}
      >
        Add
      </button>
      <button type="button" class="rmm-button" disabled={disabled || !query} onClick={() => void search()}>
        Search
      </button>
      {results.value && (
        <Results
          results={results.value}
          disabled={disabled}
          onAdd={(repo) => void add(repo)}
          onClose={() => {
            results.value = null;
          }}
        />
      )}
    </form>
  );
}

interface ResultsProps {
  readonly results: readonly SearchResult[];
  readonly disabled: boolean;
  onAdd(repo: string): void;
  onClose(): void;
}

function Results({ results, disabled, onAdd, onClose }: ResultsProps) {
  return (
    <div class="rmm-results">
      <div class="rmm-results-head">
        {results.length === 0 ? "Nothing found." : `${results.length} found`}
        <button type="button" class="rmm-button" aria-label="Close results" onClick={onClose}>
          ×
        </button>
      </div>
      <ul aria-label="Search results">
        {results.map((result) => (
          <li key={result.repo}>
            <span class="rmm-id">{result.repo}</span>
            <span class="rmm-small">{describe(result)}</span>
            <button
              type="button"
              class="rmm-button"
              aria-label={`Add ${result.repo}`}
              disabled={disabled}
              onClick={() => onAdd(result.repo)}
            >
              Add
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function describe(result: SearchResult): string {
  const parts = [
    result.type === null ? "" : words(result.type),
    result.size === null ? "" : formatBytes(result.size),
    result.licence,
    result.gated ? "gated" : "",
  ];
  return parts.filter(Boolean).join(", ");
}
