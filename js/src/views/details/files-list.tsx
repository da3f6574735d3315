/** The files of a model: paths, sizes, and how far each is while they arrive. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { FileLine } from "../../protocol/schema";
import { useKeptFocus } from "../focus";
import { clampPercent, formatBytes, formatPercent } from "../format";
import { MoreButton } from "../more-button";
import type { ViewState } from "../state";
import type { DetailsFeed } from "./details-feed";

/** Rows drawn at first, and more with each press of the button. */
const PORTION = 200;

export function FilesList({ state, feed }: { state: ViewState; feed: DetailsFeed }) {
  const most = useSignal(PORTION);
  const failed = useSignal(false);
  const element = useRef<HTMLDivElement>(null);
  useKeptFocus(element, element);
  const files = feed.files.value;
  const isMoving = feed.row.value?.status === "downloading";

  useEffect(() => (isMoving ? feed.watchFiles() : undefined), [feed, isMoving]);

  const refresh = async () => {
    failed.value = !(await feed.refreshFiles());
  };
  return (
    <div ref={element} class="rmm-files-all" tabIndex={-1}>
      <div class="rmm-files-head">
        <span>{totalWords(files)}</span>
        <button type="button" class="rmm-button" disabled={!state.connected.value} onClick={() => void refresh()}>
          Refresh files
        </button>
      </div>
      {failed.value && (
        <p role="alert" class="rmm-error-text">
          The files could not be read. Try again.
        </p>
      )}
      {files.length > 0 && (
        <table class="rmm-details-files">
          <thead>
            <tr>
              <th scope="col">File</th>
              <th scope="col" class="rmm-files-size">
                Size
              </th>
              <th scope="col">State</th>
            </tr>
          </thead>
          <tbody>
            {files.slice(0, most.value).map((file, at) => (
              // A hostile list may name a file twice; its place is what tells lines apart.
              <FileRow key={at} file={file} />
            ))}
          </tbody>
        </table>
      )}
      {files.length > most.value && <MoreButton noun="files" total={files.length} most={most} portion={PORTION} />}
    </div>
  );
}

function FileRow({ file }: { file: FileLine }) {
  const isPartial = file.size > 0 && file.done > 0 && file.done < file.size && file.state !== "left_out";
  const percent = isPartial ? clampPercent((100 * file.done) / file.size) : 0;
  return (
    <tr data-state={file.state}>
      <th scope="row">
        {file.path}
        {file.note && <span class="rmm-files-note">{file.note}</span>}
      </th>
      <td class="rmm-files-size">{file.size > 0 ? formatBytes(file.size) : "–"}</td>
      <td>
        {STATES[file.state]}
        {isPartial && `, ${formatPercent(percent)}`}
        {isPartial && (
          <span class="rmm-bar" aria-hidden="true">
            <span class="rmm-bar-done" style={{ width: `${percent}%` }} />
          </span>
        )}
      </td>
    </tr>
  );
}

const STATES: Record<FileLine["state"], string> = {
  waiting: "waiting",
  downloading: "downloading",
  waiting_for_other: "another program fetches it",
  verifying: "verifying",
  done: "on disk",
  left_out: "left out",
};

/** `3 of 5 files on disk, 1.20 GB of 1.50 GB`. Pure. */
export function totalWords(files: readonly FileLine[]): string {
  const wanted = files.filter((file) => file.state !== "left_out");
  if (wanted.length === 0) {
    return files.length > 0 ? "All files are left out." : "Nothing is known of its files before a download.";
  }
  const there = wanted.filter((file) => file.state === "done").length;
  const total = formatBytes(wanted.reduce((sum, file) => sum + file.size, 0));
  const noun = wanted.length === 1 ? "file" : "files";
  if (there === wanted.length) {
    return `${there} ${noun}, ${total}`;
  }
  const done = formatBytes(wanted.reduce((sum, file) => sum + Math.min(file.done, file.size), 0));
  return `${there} of ${wanted.length} ${noun} on disk, ${done} of ${total}`;
}
