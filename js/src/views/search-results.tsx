/** What the Hub found: what each repository is, whether it fits here, and a button that registers it. */
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Fits, ModelType, SearchResult } from "../protocol/schema";
import { formatBytes, words } from "./format";
import { foundWords, type HubQuery } from "./hub-query";
import { type Sign, SignMark } from "./sign-mark";
import type { ViewState } from "./state";
import { WithTooltip } from "./tooltip";

interface ResultsProps {
  readonly query: HubQuery;
  readonly state: ViewState;
}

export function SearchResults({ query, state }: ResultsProps) {
  const results = query.results.value;
  if (!results) {
    return null;
  }
  return (
    <div class="rmm-results">
      <div class="rmm-results-head">
        <span>{foundWords(results.length)}</span>
        <button
          type="button"
          class="rmm-button rmm-quiet"
          aria-label="Close results"
          onClick={() => {
            query.close();
          }}
        >
          ×
        </button>
      </div>
      {results.length === 0 && (
        <p class="rmm-small">Try fewer or other words, or type a repository's full name: owner/name.</p>
      )}
      <ul class="rmm-list" aria-label="Search results">
        {results.map((result) => (
          <Result key={result.repo} result={result} query={query} state={state} />
        ))}
      </ul>
    </div>
  );
}

function Result({ result, query, state }: ResultsProps & { readonly result: SearchResult }) {
  const name = useSignal<string | null>(null);
  const pressed = useSignal(false);
  const registered = query.registeredAs(result);
  const busy = query.attempt.busy.value !== "";
  const item = useRef<HTMLLIElement>(null);
  const hadFocus = item.current?.matches(":focus-within") ?? false;
  useLayoutEffect(() => {
    // The button that was pressed is gone.
    if (hadFocus && !item.current?.matches(":focus-within")) {
      item.current?.querySelector<HTMLElement>(".rmm-registered")?.focus();
    }
  });
  const add = async () => {
    pressed.value = true;
    await query.add(result.repo, name.value?.trim() ?? "", result.type ? "" : query.type.value);
    pressed.value = false;
  };
  return (
    <li ref={item} class="rmm-result" aria-busy={pressed.value && busy}>
      <div class="rmm-result-words">
        <span class="rmm-id">{result.repo}</span>
        <span class="rmm-facts">
          <FitMark fits={result.fits} need={result.need} />
          {result.gated && <Gated />}
        </span>
        <span class="rmm-small">{describe(result)}</span>
        <span class="rmm-small">{popularity(result)}</span>
      </div>
      {registered ? (
        <span class="rmm-registered" tabIndex={-1}>
          Registered as {registered}
        </span>
      ) : (
        <form
          class="rmm-result-add"
          onSubmit={(event) => {
            event.preventDefault();
            event.stopPropagation();
            void add();
          }}
        >
          {name.value === null ? (
            <button
              type="button"
              class="rmm-button rmm-quiet"
              aria-label={`Choose a name for ${result.repo}`}
              onClick={() => {
                name.value = "";
              }}
            >
              Name…
            </button>
          ) : (
            <input
              ref={focusOnce}
              class="rmm-input rmm-name"
              aria-label={`Name for ${result.repo}`}
              placeholder="name"
              autocomplete="off"
              maxLength={100}
              value={name.value}
              onInput={(event) => {
                name.value = event.currentTarget.value;
              }}
            />
          )}
          <button
            type="submit"
            class="rmm-button"
            aria-label={`Add ${result.repo}`}
            aria-disabled={busy}
            disabled={!state.connected.value}
          >
            Add
          </button>
        </form>
      )}
    </li>
  );
}

/** The field takes the place of the button that was pressed, and its focus. */
function focusOnce(input: HTMLInputElement | null): void {
  if (input && !input.dataset.met) {
    input.dataset.met = "yes";
    input.focus();
  }
}

const FITS: Record<Fits, readonly [Sign, string]> = {
  yes: ["good", "fits here"],
  tight: ["warning", "fits if others leave"],
  no: ["error", "too large for here"],
  unknown: ["question", "memory unknown"],
};

function FitMark({ fits, need }: { fits: Fits; need: number | null }) {
  const known = Object.hasOwn(FITS, fits) ? fits : "unknown";
  const [sign, said] = FITS[known];
  return (
    <span class="rmm-fits" data-fits={known}>
      <SignMark sign={sign} />
      {need ? `${said}, needs ${formatBytes(need)}` : said}
    </span>
  );
}

const GATED = "Its authors ask for an agreement: visit its page on the Hub, and log in, before you download it.";

function Gated() {
  return (
    <WithTooltip class="rmm-gated" data={{}} text={GATED}>
      <SignMark sign="lock" />
      gated
    </WithTooltip>
  );
}

function describe(result: SearchResult): string {
  const type: ModelType | null = result.type;
  const parts = [
    type === null ? "" : words(type),
    result.size === null ? "" : formatBytes(result.size),
    result.licence,
    result.safety,
  ];
  return parts.filter(Boolean).join(", ");
}

function popularity({ downloads, likes }: SearchResult): string {
  const parts = [count(downloads, "download"), count(likes, "like")];
  return parts.filter(Boolean).join(", ");
}

const COUNT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

function count(number: number, noun: string): string {
  return number > 0 ? `${COUNT.format(number)} ${noun}${number === 1 ? "" : "s"}` : "";
}
