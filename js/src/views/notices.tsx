/** What the user should know besides the table: no connection, an unlike kernel, failed commands. */
import { FixOf } from "./error-note";
import type { Connection } from "./liveness";
import { MoreAbout } from "./more-about";
import { SignMark } from "./sign-mark";
import type { Notice, ViewState } from "./state";

const AGAIN = "Run the cell again to get a new view.";
const WORDS: Record<Exclude<Connection, "live">, string> = {
  busy: "The kernel is busy with a cell: what you ask for now is done when the cell ends.",
  silent: "Not connected: the kernel does not answer. It was restarted or has ended, or a cell keeps it busy.",
  forgotten: `Not connected: the kernel was restarted and does not know this view. ${AGAIN}`,
  restarting: "Not connected: the kernel is restarting.",
  restarted: `Not connected: the kernel was restarted, this view shows how it was before. ${AGAIN}`,
  dead: "Not connected: the kernel has ended. Start it again, then run the cell again.",
  disconnected: "Not connected: this page has lost the way to its server. The kernel may still be at work.",
  closed: `Not connected: the kernel of this view is gone. ${AGAIN}`,
};

export function Notices({ state }: { state: ViewState }) {
  const connection = state.liveness.connection.value;
  const other = state.liveness.mismatch.value;
  return (
    <div class="rmm-notices">
      {connection !== "live" && (
        <div class="rmm-notice" data-kind={connection === "busy" ? "busy" : "connection"}>
          <SignMark sign={connection === "busy" ? "info" : "warning"} />
          <span class="rmm-notice-words">{WORDS[connection]}</span>
        </div>
      )}
      {other && (
        <div class="rmm-notice" data-kind="version">
          <SignMark sign="warning" />
          <span class="rmm-notice-words">
            The kernel has rmm_widgets {other.version}, which this view does not understand. Restart the kernel and
            reload the page.
          </span>
        </div>
      )}
      {state.notices.value.map((notice) => (
        <div key={notice.key} class="rmm-notice" data-kind={notice.kind}>
          <SignMark sign={notice.kind === "error" ? "error" : "good"} />
          <span class="rmm-notice-words">
            <span class={notice.kind === "error" ? "rmm-error-text" : undefined}>{notice.message}</span>
            {notice.hint && <span class="rmm-hint"> {notice.hint}</span>}
            {notice.count > 1 && <span class="rmm-count"> {notice.count} times</span>}
            <Help notice={notice} state={state} />
            <MoreAbout name={notice.guide} state={state} />
          </span>
          <button
            type="button"
            class="rmm-button rmm-quiet"
            aria-label="Dismiss"
            onClick={() => state.dismiss(notice.key)}
          >
            ×
          </button>
        </div>
      ))}
    </div>
  );
}

function Help({ notice: { help, hint }, state }: { notice: Notice; state: ViewState }) {
  const row = help && state.rows.value.find(({ id }) => id === help.id);
  return row ? <FixOf row={{ ...row, fix: help.fix, hint }} state={state} /> : null;
}
