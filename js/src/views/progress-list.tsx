/** Downloads, one below the other: a bar while one moves, a short result when it has ended. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Row } from "../protocol/schema";
import { ActionButtons } from "./action-buttons";
import { look, secondsOf, type Watch } from "./download-watch";
import { NoDownloads } from "./empty-state";
import { ErrorNote } from "./error-note";
import { FileList } from "./file-list";
import { formatBytes, formatDuration, statusWords } from "./format";
import { LiveRegion } from "./live-region";
import { LongList } from "./long-list";
import { Notices } from "./notices";
import { hasBar, ProgressBar } from "./progress-bar";
import { SignMark } from "./sign-mark";
import type { ViewState } from "./state";

export function ProgressList({ state }: { state: ViewState }) {
  const rows = state.rows.value;
  const missing = state.missing.value;
  return (
    <div class="rmm-panel" data-connected={state.connected.value}>
      <Notices state={state} />
      {rows.length + missing.length === 0 && <NoDownloads />}
      <ul class="rmm-list rmm-downloads" aria-label="Downloads">
        <LongList rows={rows} matters={(row) => hasBar(row) || row.error !== ""}>
          {(row) => <Download key={row.id} row={row} state={state} />}
        </LongList>
        {missing.map((id) => (
          <li key={id} class="rmm-download">
            <div class="rmm-download-head">
              <span class="rmm-id">{id}</span>
              <span class="rmm-small">no longer registered</span>
            </div>
          </li>
        ))}
      </ul>
      <LiveRegion state={state} />
    </div>
  );
}

function Download({ row, state }: { row: Row; state: ViewState }) {
  const open = useSignal(false);
  const watch = useRef<Watch | null>(null);
  watch.current = look(watch.current, row, state.progress.peek()[row.id], Date.now());
  const moves = hasBar(row);
  return (
    <li class="rmm-download" data-status={row.status}>
      <div class="rmm-download-head">
        <span class="rmm-id" title={row.id}>
          {row.id}
        </span>
        <span class="rmm-status" data-status={row.status}>
          {row.status === "downloaded" && <SignMark sign="good" />}
          {statusWords(row)}
        </span>
        {!moves && <Result row={row} watch={watch.current} />}
        <span class="rmm-download-buttons">
          {moves && row.status !== "loading" && (
            <button
              type="button"
              class="rmm-button rmm-quiet"
              aria-label={`Files of ${row.id}`}
              aria-expanded={open.value}
              onClick={() => {
                open.value = !open.value;
              }}
            >
              Files
            </button>
          )}
          <ActionButtons row={row} state={state} />
        </span>
      </div>
      {moves && <ProgressBar row={row} progress={state.progress} />}
      {moves && open.value && row.status !== "loading" && <FileList id={row.id} state={state} />}
      <ErrorNote row={row} state={state} />
    </li>
  );
}

/** What a download ended with: its bytes, and how long it took where this view saw all of it. */
function Result({ row, watch }: { row: Row; watch: Watch }) {
  if (row.size <= 0 || row.error) {
    return null;
  }
  const seconds = secondsOf(watch);
  return (
    <span class="rmm-small">
      {formatBytes(row.size)}
      {seconds !== null && ` in ${formatDuration(seconds)}`}
    </span>
  );
}
