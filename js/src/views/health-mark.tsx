/** A health state as shape, word and colour: never colour alone. */
import type { ModelHealth } from "../protocol/schema";

const SHAPES: Record<ModelHealth, string> = {
  healthy: "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm3.6 5.3-4.4 5L4.4 8.6l1-1 1.700 1.600 3.400-3.900Z",
  degraded: "M8 1 .5 14.500h15ZM7.200 6h1.600v4.500H7.200Zm0 5.500h1.600V13H7.200Z",
  unhealthy:
    "M5 1h6l4 4v6l-4 4H5l-4-4V5Zm.9 3.900-1 1L6.900 8l-2 2.100 1 1L8 9.100l2.100 2 1-1L9.100 8l2-2.100-1-1L8 6.900Z",
  unknown:
    "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 1.600a5.400 5.400 0 1 1 0 10.800A5.400 5.400 0 0 1 8 2.600ZM5 7.200h6v1.600H5Z",
};

export function HealthMark(props: { health: ModelHealth; reason: string }) {
  const health = props.health in SHAPES ? props.health : "unknown";
  const reason = props.reason || undefined;
  return (
    <span class="rmm-health" data-health={health} title={reason} aria-description={reason}>
      <svg class="rmm-icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        <path d={SHAPES[health]} fill-rule="evenodd" />
      </svg>
      {health}
    </span>
  );
}
