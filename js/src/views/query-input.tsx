/** The field of a search of the Hub; Enter submits it. */
import { onEnter } from "./enter-key";
import type { HubQuery } from "./hub-query";

interface InputProps {
  readonly query: HubQuery;
  readonly label: string;
  readonly placeholder: string;
}

export function QueryInput({ query, label, placeholder }: InputProps) {
  return (
    <input
      class="rmm-input"
      type="text"
      aria-label={label}
      placeholder={placeholder}
      autocomplete="off"
      value={query.text.value}
      onInput={(event) => {
        query.text.value = event.currentTarget.value;
      }}
      onKeyDown={onEnter(() => query.submit())}
    />
  );
}
