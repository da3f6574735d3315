/** How a loaded model answers its probes: the judgement, its reason, and the latencies as a small chart. */
import { useEffect } from "preact/hooks";
import type { ProbePoint } from "../../protocol/schema";
import { HealthMark } from "../health-mark";
import { localClock } from "../moments";
import type { DetailsFeed } from "./details-feed";
import { type ChartPoint, chartPoints, type Mark, probeWords, scaleWords, seriesWords } from "./probe-figures";

const MOST_POINTS = 60;
const WIDTH = 300;
const HEIGHT = 64;
const MARGIN = 6;

/** Each mark has its own shape: colour alone says nothing. */
const SHAPES: Record<Mark, string> = {
  good: "M-2.500 0a2.500 2.500 0 1 0 5 0a2.500 2.500 0 1 0 -5 0Z",
  slow: "M0-4 4 3.500H-4Z",
  bad: "M-3.500-2.100-2.100-3.500 0-1.400 2.100-3.500 3.500-2.100 1.400 0 3.500 2.100 2.100 3.500 0 1.400-2.100 3.500-3.500 2.100-1.400 0Z",
  busy: "M0-4 4 0 0 4-4 0ZM0-2-2 0 0 2 2 0Z",
};
const MEANINGS: Record<Mark, string> = {
  good: "answered",
  slow: "slow or degraded",
  bad: "missed or failed",
  busy: "at work, not asked",
};

export function HealthView({ feed, probes }: { feed: DetailsFeed; probes: readonly ProbePoint[] }) {
  const row = feed.row.value;
  const isLoaded = row?.status === "loaded";
  const recent = probes.slice(-MOST_POINTS);

  useEffect(() => (isLoaded ? feed.watchProbes() : undefined), [feed, isLoaded]);
  return (
    <>
      {row && (
        <p class="rmm-health-line">
          <HealthMark health={row.health} reason="" />
          {row.health_reason && <span>{row.health_reason}</span>}
        </p>
      )}
      {recent.length === 0 ? (
        <p class="rmm-empty">No probes yet. A model is probed from the moment it is loaded.</p>
      ) : (
        <>
          <Sparkline probes={recent} />
          <p class="rmm-probe-words">{seriesWords(recent)}</p>
          <details class="rmm-probes">
            <summary>Single probes</summary>
            <ol class="rmm-lines" aria-label="Probes, newest first">
              {[...recent].reverse().map((probe, at) => (
                <li key={at}>
                  <time dateTime={probe.time}>{localClock(probe.time)}</time> {probeWords(probe)}
                </li>
              ))}
            </ol>
          </details>
        </>
      )}
    </>
  );
}

function Sparkline({ probes }: { probes: readonly ProbePoint[] }) {
  const points = chartPoints(probes);
  const marks = [...new Set(points.map((point) => point.mark))];
  return (
    <figure class="rmm-chart">
      <svg
        class="rmm-sparkline"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`Latency of ${seriesWords(probes)}`}
        focusable="false"
      >
        <path class="rmm-sparkline-ground" d={`M0 ${HEIGHT - 0.5}H${WIDTH}`} />
        <path class="rmm-sparkline-line" d={linePath(points)} />
        {points.map((point, at) => (
          <path
            key={at}
            class="rmm-mark"
            data-mark={point.mark}
            d={SHAPES[point.mark]}
            fill-rule="evenodd"
            transform={`translate(${left(point)} ${top(point)})`}
          >
            <title>{point.words}</title>
          </path>
        ))}
      </svg>
      <figcaption class="rmm-legend" aria-hidden="true">
        <span>{scaleWords(probes)}</span>
        {marks.map((mark) => (
          <span key={mark}>
            <svg class="rmm-legend-mark" viewBox="-5 -5 10 10" aria-hidden="true" focusable="false">
              <path class="rmm-mark" data-mark={mark} d={SHAPES[mark]} fill-rule="evenodd" />
            </svg>
            {MEANINGS[mark]}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

/** The line through the answered probes; it breaks where one was not answered. */
function linePath(points: readonly ChartPoint[]): string {
  let isPenUp = true;
  return points
    .map((point) => {
      if (point.isMissed) {
        isPenUp = true;
        return "";
      }
      const command = isPenUp ? "M" : "L";
      isPenUp = false;
      return `${command}${left(point)} ${top(point)}`;
    })
    .join("");
}

function left(point: ChartPoint): string {
  return (MARGIN + point.x * (WIDTH - 2 * MARGIN)).toFixed(1);
}

function top(point: ChartPoint): string {
  return (HEIGHT - MARGIN - point.y * (HEIGHT - 2 * MARGIN)).toFixed(1);
}
