/** What the user should know besides the table: no connection, an unlike kernel, failed commands. */
import type { Connection } from "./liveness";
import type { ViewState } from "./state";

const ABSENT: Record<Exclude<Connection, "live">, string> = {
  silent: "Not connected: the kernel does not answer. It was restarted, or a cell keeps it busy.",
  closed: "Not connected: the kernel of this view is gone. Run the cell again to get a new view.",
};

export function Notices({ state }: { state: ViewState }) {
  const connection = state.liveness.connection.value;
  const other = state.liveness.mismatch.value;
  return (
    <div class="rmm-notices">
      {connection !== "live" && (
        <div class="rmm-notice" data-kind="connection">
          {ABSENT[connection]}
        </div>
      )}
      {other && (
        <div class="rmm-notice" data-kind="version">
          The kernel has rmm_widgets {other.version}, which this view does not understand. Restart the kernel and reload
          the page.
        </div>
      )}
      {state.notices.value.map((notice) => (
        <div key={notice.key} class="rmm-notice" data-kind={notice.kind}>
          <span class={notice.kind === "error" ? "rmm-error-text" : undefined}>{notice.message}</span>
          {notice.hint && <span class="rmm-hint"> {notice.hint}</span>}
          <button type="button" class="rmm-button" aria-label="Dismiss" onClick={() => state.dismiss(notice.key)}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
