/** The panel's way to the Hub: a repository's name is added, words are searched for; results open below. */
import { useMemo } from "preact/hooks";
import { FailureNote } from "./failure-note";
import { HubQuery, isRepository } from "./hub-query";
import { QueryInput } from "./query-input";
import { SearchResults } from "./search-results";
import type { ViewState } from "./state";
import { useSaid } from "./use-said";

export function HubSearch({ state }: { state: ViewState }) {
  const query = useMemo(() => new HubQuery(state), [state]);
  const text = query.text.value.trim();
  const busy = query.attempt.busy.value !== "";
  const failure = query.attempt.failure.value;
  const absent = !state.connected.value;
  useSaid(query.attempt.said, (said) => {
    state.announcement.value = said;
  });
  return (
    <div class="rmm-hub" aria-busy={busy}>
      <form
        class="rmm-search-line"
        onSubmit={(event) => {
          event.preventDefault();
          query.submit();
        }}
      >
        <QueryInput query={query} label="Repository or search words" placeholder="owner/name, or words to search for" />
        <button
          type="button"
          class="rmm-button"
          aria-disabled={busy}
          disabled={absent || !isRepository(text)}
          onClick={() => void query.add(text)}
        >
          Add
        </button>
        <button
          type="button"
          class="rmm-button"
          aria-disabled={busy}
          disabled={absent || !text}
          onClick={() => void query.search()}
        >
          Search
        </button>
      </form>
      {failure && <FailureNote failure={failure} busy={busy} state={state} />}
      <SearchResults query={query} state={state} />
    </div>
  );
}
