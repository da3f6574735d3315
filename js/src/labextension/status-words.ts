/** The figures of the status bar in words. Pure. */
import type { TranslationBundle } from "@jupyterlab/translation";
import type { Summary } from "../protocol/schema";
import { formatBytes } from "../views/format";

/** `Models: 2 loaded, 412 MB of 8.00 GB; 1 download, 2.40 MB/s`. */
export function statusWords(summary: Summary, trans: TranslationBundle): string {
  const { loaded, memory, budget, downloads, queued, rate } = summary;
  const models =
    loaded > 0 && budget > 0
      ? trans.__("Models: %1 loaded, %2 of %3", loaded, formatBytes(memory), formatBytes(budget))
      : trans.__("Models: %1 loaded", loaded);
  const moving = downloads + queued;
  if (moving === 0) {
    return models;
  }
  const running = trans._n("1 download", "%1 downloads", moving);
  const speed = rate > 0 ? `${running}, ${formatBytes(rate)}/s` : running;
  return `${models}; ${speed}`;
}
