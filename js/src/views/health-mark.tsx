/** A health state as shape, word and colour: never colour alone. The reason is told on hover and focus. */
import type { ModelHealth } from "../protocol/schema";
import { type Sign, SignMark } from "./sign-mark";
import { WithTooltip } from "./tooltip";

const SIGNS: Record<ModelHealth, Sign> = {
  healthy: "good",
  degraded: "warning",
  unhealthy: "error",
  unknown: "question",
};

export function HealthMark(props: { health: ModelHealth; reason: string }) {
  const health = Object.hasOwn(SIGNS, props.health) ? props.health : "unknown";
  return (
    <WithTooltip class="rmm-health" data={{ "data-health": health }} text={props.reason}>
      <SignMark sign={SIGNS[health]} />
      {health}
    </WithTooltip>
  );
}
