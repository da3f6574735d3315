/** What a series of probes comes to: places for its points, and a sentence for those who do not see them. Pure. */
import type { ProbePoint } from "../../protocol/schema";

export type Mark = "good" | "slow" | "bad" | "busy";

/** One probe in the chart: `x` and `y` from 0 to 1, `y` upwards. */
export interface ChartPoint {
  readonly x: number;
  readonly y: number;
  readonly mark: Mark;
  /** No answer: there is no latency to draw, and the line breaks. */
  readonly isMissed: boolean;
  readonly words: string;
}

const MARKS: Readonly<Record<string, Mark>> = {
  ok: "good",
  degraded: "slow",
  failed: "bad",
  missed: "bad",
  dead: "bad",
  busy: "busy",
};
const SILENT: ReadonlySet<string> = new Set(["missed", "dead", "busy"]);

/** A probe that was answered in time but late makes the model degraded: its mark says so, too. */
function markOf(probe: ProbePoint): Mark {
  const mark = Object.hasOwn(MARKS, probe.outcome) ? MARKS[probe.outcome] : undefined;
  return mark === "good" && probe.health === "degraded" ? "slow" : (mark ?? "busy");
}

export function chartPoints(probes: readonly ProbePoint[]): ChartPoint[] {
  const most = Math.max(...latencies(probes), Number.MIN_VALUE);
  return probes.map((probe, at) => {
    const isMissed = SILENT.has(probe.outcome);
    return {
      x: probes.length > 1 ? at / (probes.length - 1) : 0.5,
      y: isMissed ? 0 : Math.min(1, probe.latency / most),
      mark: markOf(probe),
      isMissed,
      words: probeWords(probe),
    };
  });
}

/** `ok, 12 ms`; a probe without an answer has no latency. */
export function probeWords(probe: ProbePoint): string {
  const outcome = probe.outcome.replaceAll("_", " ") || "unknown";
  const words = SILENT.has(probe.outcome) ? outcome : `${outcome}, ${formatLatency(probe.latency)}`;
  return probe.detail ? `${words}: ${probe.detail}` : words;
}

/** `60 probes: fastest 11 ms, median 14 ms, last 15 ms; 2 missed, 1 while busy`. */
export function seriesWords(probes: readonly ProbePoint[]): string {
  const count = `${probes.length} probe${probes.length === 1 ? "" : "s"}`;
  const answered = latencies(probes);
  const last = answered.at(-1);
  const figures =
    last === undefined
      ? "none answered"
      : `fastest ${formatLatency(Math.min(...answered))}, median ${formatLatency(median(answered))}, ` +
        `last ${formatLatency(last)}`;
  const missed = probes.filter((probe) => probe.outcome === "missed" || probe.outcome === "dead").length;
  const failed = probes.filter((probe) => probe.outcome === "failed").length;
  const busy = probes.filter((probe) => probe.outcome === "busy").length;
  const rest = [`${missed} missed`, failed > 0 && `${failed} failed`, busy > 0 && `${busy} while it worked`];
  return `${count}: ${figures}; ${rest.filter(Boolean).join(", ")}`;
}

/** What the chart spans: `0 to 32 ms`; empty where nothing was answered. */
export function scaleWords(probes: readonly ProbePoint[]): string {
  const answered = latencies(probes);
  return answered.length > 0 ? `0 to ${formatLatency(Math.max(...answered))}` : "";
}

/** Seconds as `0.4 ms`, `12 ms` or `1.25 s`. */
export function formatLatency(seconds: number): string {
  const milliseconds = seconds * 1000;
  if (milliseconds >= 999.5) {
    return `${seconds.toFixed(2)} s`;
  }
  return `${milliseconds.toFixed(milliseconds < 9.95 ? 1 : 0)} ms`;
}

function latencies(probes: readonly ProbePoint[]): number[] {
  return probes.filter((probe) => !SILENT.has(probe.outcome)).map((probe) => probe.latency);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
