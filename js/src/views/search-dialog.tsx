/** The Hub search as the content of a dialog: words and a type, and what was found. */
import { useEffect, useMemo } from "preact/hooks";
import type { ModelType } from "../protocol/schema";
import { FailureNote } from "./failure-note";
import { formatBytes, words } from "./format";
import { HubQuery, isRepository } from "./hub-query";
import { MODEL_TYPES } from "./model-types";
import { QueryInput } from "./query-input";
import { SearchResults } from "./search-results";
import type { ViewState } from "./state";

/** Bytes; what a laptop, a good computer and a server may hold. */
const SIZES: readonly number[] = [100e6, 500e6, 2e9, 10e9, 50e9];

/** @param first what is searched for at once; empty for nothing */
export function SearchForm({ state, first }: { state: ViewState; first?: string }) {
  const query = useMemo(() => new HubQuery(state), [state]);
  useEffect(() => {
    if (first) {
      query.text.value = first;
      void query.search();
    }
  }, [query, first]);
  const text = query.text.value.trim();
  const busy = query.attempt.busy.value;
  const failure = query.attempt.failure.value;
  const absent = !state.connected.value;
  return (
    <div class="rmm-search" aria-busy={busy !== ""}>
      <form
        class="rmm-search-line"
        role="search"
        aria-label="Models on the Hub"
        onSubmit={(event) => {
          event.preventDefault();
          query.submit();
        }}
      >
        <QueryInput query={query} label="Words, or owner/name" placeholder="Words, or owner/name" />
        <select
          class="rmm-input rmm-select"
          aria-label="Type of model"
          value={query.type.value}
          onChange={(event) => {
            query.type.value = event.currentTarget.value as ModelType | "";
          }}
        >
          <option value="">any type</option>
          {MODEL_TYPES.map((type) => (
            <option key={type} value={type}>
              {words(type)}
            </option>
          ))}
        </select>
        <select
          class="rmm-input rmm-select"
          aria-label="Size of the model"
          value={query.maxSize.value}
          onChange={(event) => {
            query.maxSize.value = Number(event.currentTarget.value);
          }}
        >
          <option value={0}>any size</option>
          {SIZES.map((size) => (
            <option key={size} value={size}>
              up to {formatBytes(size)}
            </option>
          ))}
        </select>
        <button
          type="button"
          class="rmm-button"
          aria-disabled={busy !== ""}
          disabled={absent || !text}
          onClick={() => void query.search()}
        >
          Search
        </button>
        {isRepository(text) && (
          <button
            type="button"
            class="rmm-button"
            aria-disabled={busy !== ""}
            disabled={absent}
            onClick={() => void query.add(text, "", query.type.value)}
          >
            Add {text}
          </button>
        )}
      </form>
      {busy && <p class="rmm-busy">{busy}</p>}
      {failure && <FailureNote failure={failure} busy={busy !== ""} state={state} />}
      {query.results.value ? (
        <SearchResults query={query} state={state} />
      ) : (
        !busy && (
          <p class="rmm-empty">
            Search by words, such as a task or a name. Sizes, memory and licences are told before anything is
            downloaded.
          </p>
        )
      )}
      <div class="rmm-unseen" role="status">
        {query.attempt.said.value}
      </div>
    </div>
  );
}
