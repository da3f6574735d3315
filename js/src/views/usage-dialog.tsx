/** Disk use as the content of a dialog: what each model takes, what could be freed, and how. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { DiskModel } from "../protocol/schema";
import { DiskUse } from "./disk-use";
import { FailureNote } from "./failure-note";
import { formatBytes } from "./format";
import type { ViewState } from "./state";

export function UsageForm({ state }: { state: ViewState }) {
  const disk = useMemo(() => new DiskUse(state), [state]);
  useEffect(() => {
    void disk.refresh();
  }, [disk]);
  const usage = disk.usage.value;
  const busy = disk.attempt.busy.value;
  const failure = disk.attempt.failure.value;
  return (
    <div class="rmm-usage" aria-busy={busy !== ""}>
      {busy && <p class="rmm-busy">{busy}</p>}
      {failure && <FailureNote failure={failure} busy={busy !== ""} state={state} />}
      {usage && (
        <>
          <FreeSpace free={usage.free} total={usage.total} />
          {usage.models.length === 0 ? (
            <p class="rmm-empty">No model has files on the disk.</p>
          ) : (
            <Models models={usage.models} disk={disk} state={state} />
          )}
          <Unfinished bytes={usage.unfinished} disk={disk} state={state} />
        </>
      )}
      <div class="rmm-unseen" role="status">
        {disk.attempt.said.value}
      </div>
    </div>
  );
}

function FreeSpace({ free, total }: { free: number; total: number }) {
  const text = `${formatBytes(free)} free of ${formatBytes(total)}`;
  const used = total > 0 ? Math.min(100, Math.max(0, ((total - free) / total) * 100)) : 0;
  return (
    <div class="rmm-disk">
      <span>{text}</span>
      <div
        class="rmm-meter"
        role="meter"
        aria-label="Disk"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(used)}
        aria-valuetext={text}
        data-level={used > 90 ? "high" : undefined}
      >
        <div class="rmm-meter-fill" style={{ width: `${used}%` }} />
      </div>
    </div>
  );
}

/** Lines that are drawn; the smallest models are not what fills a disk. */
const MOST = 500;

interface ModelsProps {
  readonly models: readonly DiskModel[];
  readonly disk: DiskUse;
  readonly state: ViewState;
}

function Models({ models, disk, state }: ModelsProps) {
  const chosen = models.filter(({ id }) => disk.chosen.value.has(id));
  const freed = chosen.reduce((sum, model) => sum + model.freeable, 0);
  const largest = Math.max(1, ...models.map(({ bytes }) => bytes));
  return (
    <>
      <div class="rmm-scroll">
        <table class="rmm-usage-table">
          <thead>
            <tr>
              <th scope="col">Model</th>
              <th scope="col" class="rmm-number">
                On disk
              </th>
              <th scope="col" class="rmm-number">
                Removal frees
              </th>
              <th scope="col" class="rmm-number">
                Unfinished
              </th>
            </tr>
          </thead>
          <tbody>
            {models.slice(0, MOST).map((model) => (
              <tr key={model.id}>
                <th scope="row">
                  <label class="rmm-choice">
                    <input
                      type="checkbox"
                      checked={disk.chosen.value.has(model.id)}
                      onChange={(event) => disk.choose(model.id, event.currentTarget.checked)}
                    />
                    <span class="rmm-id">{model.id}</span>
                  </label>
                </th>
                <td class="rmm-number">
                  {formatBytes(model.bytes)}
                  <span class="rmm-share" style={{ width: `${(model.bytes / largest) * 100}%` }} />
                </td>
                <td class="rmm-number">{formatBytes(model.freeable)}</td>
                <td class="rmm-number">{model.unfinished > 0 ? formatBytes(model.unfinished) : "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {models.length > MOST && <p class="rmm-small">and {models.length - MOST} smaller ones</p>}
      </div>
      <div class="rmm-foot">
        <span>
          {chosen.length === 0 ? "Choose models to remove." : `${chosen.length} chosen, ${formatBytes(freed)} to free`}
        </span>
        <button
          type="button"
          class="rmm-button"
          aria-haspopup="dialog"
          disabled={chosen.length === 0 || !state.connected.value}
          onClick={() => {
            state.dialog.value = { kind: "remove", ids: chosen.map(({ id }) => id) };
          }}
        >
          Remove…
        </button>
      </div>
    </>
  );
}

interface UnfinishedProps {
  readonly bytes: number;
  readonly disk: DiskUse;
  readonly state: ViewState;
}

/** Deletes what interrupted downloads left, after a second press. */
function Unfinished({ bytes, disk, state }: UnfinishedProps) {
  const sure = useSignal(false);
  const foot = useRef<HTMLDivElement>(null);
  const freed = disk.freed.value;
  const answer = (yes: boolean) => {
    sure.value = false;
    foot.current?.focus(); // The button that had it goes.
    if (yes) {
      void disk.prune();
    }
  };
  return (
    <div ref={foot} class="rmm-foot" role="group" aria-label="Unfinished files" tabIndex={-1}>
      <span>
        {bytes > 0 ? `${formatBytes(bytes)} of unfinished files` : "No unfinished files"}
        {freed !== null && `; ${freed > 0 ? `${formatBytes(freed)} came free` : "nothing could be cleaned up now"}`}
      </span>
      {sure.value ? (
        <>
          <span class="rmm-hint">Stopped downloads then begin anew. Files in use and recent ones may stay.</span>
          <button ref={focusFirst} type="button" class="rmm-button" onClick={() => answer(false)}>
            Keep them
          </button>
          <button
            type="button"
            class="rmm-button rmm-danger"
            disabled={!state.connected.value}
            onClick={() => answer(true)}
          >
            Delete up to {formatBytes(bytes)}
          </button>
        </>
      ) : (
        <button
          type="button"
          class="rmm-button"
          disabled={bytes === 0 || !state.connected.value}
          onClick={() => {
            sure.value = true;
          }}
        >
          Clean up unfinished files
        </button>
      )}
    </div>
  );
}

/** The safe answer has the focus that the question's button had. */
function focusFirst(button: HTMLButtonElement | null): void {
  button?.focus();
}
