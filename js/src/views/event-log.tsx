/** The recent events, fetched when the user opens the log. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { LogEntry } from "../protocol/schema";
import { words } from "./format";
import type { ViewState } from "./state";

export function EventLog({ state }: { state: ViewState }) {
  const element = useRef<HTMLDetailsElement>(null);
  const entries = useSignal<readonly LogEntry[]>([]);
  const refresh = async () => {
    const answer = await state.run("log", {});
    if (Array.isArray(answer)) {
      entries.value = [...(answer as LogEntry[])].reverse();
    }
  };
  useSignalEffect(() => {
    if (state.log.value) {
      element.current?.scrollIntoView({ block: "nearest" });
    }
  });
  return (
    <details
      ref={element}
      class="rmm-log"
      open={state.log.value}
      onToggle={(event) => {
        state.log.value = event.currentTarget.open;
        if (event.currentTarget.open) {
          void refresh();
        }
      }}
    >
      <summary>Log</summary>
      <button type="button" class="rmm-button" disabled={!state.connected.value} onClick={() => void refresh()}>
        Refresh
      </button>
      <ol aria-label="Recent events, newest first">
        {entries.value.map((entry) => (
          <li key={entry.seq}>
            <time dateTime={entry.time}>{clock(entry.time)}</time> {words(entry.type)} {entry.id} {entry.text}
          </li>
        ))}
      </ol>
    </details>
  );
}

function clock(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? time : date.toLocaleTimeString();
}
