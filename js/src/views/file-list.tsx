/** The files of one download, asked for each second while they are shown. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { FileLine } from "../protocol/schema";
import { CommandFailed } from "./command-client";
import { formatBytes } from "./format";
import type { ViewState } from "./state";

const PERIOD = 1_000;
/** Lines that are drawn; those on their way come first. */
const MOST = 200;

export function FileList({ id, state }: { id: string; state: ViewState }) {
  const files = useSignal<readonly FileLine[] | null>(null);
  const problem = useSignal("");
  useEffect(() => {
    let isShown = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = async () => {
      if (state.connected.peek() && document.visibilityState === "visible") {
        const answer = await askFiles(id, state);
        if (!isShown) {
          return;
        }
        problem.value = answer.problem;
        files.value = answer.files ?? files.value;
      }
      timer = setTimeout(() => void refresh(), PERIOD);
    };
    void refresh();
    return () => {
      isShown = false;
      clearTimeout(timer);
    };
  }, [id, state, files, problem]);
  const lines = files.value;
  if (!lines) {
    return <p class="rmm-small">{problem.value || "Asking for the files…"}</p>;
  }
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <div class="rmm-files" role="region" aria-label={`Files of ${id}`} tabIndex={0}>
      {problem.value && <p class="rmm-small">{problem.value}</p>}
      {lines.length === 0 && <p class="rmm-small">No files are known yet.</p>}
      <ul class="rmm-list" aria-label="Files">
        {inOrder(lines)
          .slice(0, MOST)
          .map((line) => (
            <File key={line.path} line={line} />
          ))}
      </ul>
      {lines.length > MOST && <p class="rmm-small">and {lines.length - MOST} more</p>}
    </div>
  );
}

interface Answer {
  readonly files: readonly FileLine[] | null;
  readonly problem: string;
}

async function askFiles(id: string, state: ViewState): Promise<Answer> {
  try {
    const files = await state.ask("files", { model_id: id });
    return { files: Array.isArray(files) ? (files as FileLine[]) : [], problem: "" };
  } catch (error) {
    if (!(error instanceof CommandFailed)) {
      throw error;
    }
    return { files: null, problem: error.message };
  }
}

const STATES: Record<FileLine["state"], string> = {
  waiting: "waiting",
  downloading: "downloading",
  waiting_for_other: "another program fetches it",
  verifying: "verifying",
  done: "done",
  left_out: "left out",
};

const ORDER: readonly FileLine["state"][] = [
  "downloading",
  "verifying",
  "waiting_for_other",
  "waiting",
  "done",
  "left_out",
];

/** What moves first; the order of the kernel otherwise. */
export function inOrder(lines: readonly FileLine[]): readonly FileLine[] {
  return [...lines].sort((one, other) => ORDER.indexOf(one.state) - ORDER.indexOf(other.state));
}

function File({ line }: { line: FileLine }) {
  const share = line.size > 0 ? Math.min(1, line.done / line.size) : line.state === "done" ? 1 : 0;
  const figures =
    line.state === "done" || line.done === 0
      ? formatBytes(line.size)
      : `${formatBytes(line.done)} of ${formatBytes(line.size)}`;
  return (
    <li class="rmm-file-line" data-state={line.state}>
      <span class="rmm-path" title={line.path}>
        {line.path}
      </span>
      <span class="rmm-small">{`${STATES[line.state] ?? line.state}${line.note ? `, ${line.note}` : ""}`}</span>
      <span class="rmm-small rmm-number">{figures}</span>
      <span class="rmm-share" style={{ transform: `scaleX(${share})` }} />
    </li>
  );
}
