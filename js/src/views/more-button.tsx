/** Draws one more portion of a long list. */
import type { Signal } from "@preact/signals";

interface ButtonProps {
  /** What the list is of. */
  readonly noun: string;
  readonly total: number;
  /** How many are drawn at most. */
  readonly most: Signal<number>;
  readonly portion: number;
}

export function MoreButton({ noun, total, most, portion }: ButtonProps) {
  return (
    <button
      type="button"
      class="rmm-button"
      onClick={() => {
        most.value += portion;
      }}
    >
      Show more {noun} ({total - most.value} left)
    </button>
  );
}
