/** The steps of a model that uncovers its text, as a film that can be stepped through. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

/** Milliseconds for which a step stands, and for which the whole film lasts at most. */
const PACE = 250;
const LONGEST_FILM = 6_000;

interface PlayerProps {
  readonly steps: readonly string[];
  /** How it ended. */
  readonly text: string;
}

export function StepPlayer({ steps, text }: PlayerProps) {
  const last = steps.length;
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const at = useSignal(isCalm ? last : 0);
  const isPlaying = useSignal(!isCalm);
  useEffect(() => {
    if (!isPlaying.value) {
      return;
    }
    const timer = setInterval(
      () => {
        at.value = Math.min(last, at.value + 1);
        if (at.value >= last) {
          isPlaying.value = false;
        }
      },
      Math.min(PACE, LONGEST_FILM / last),
    );
    return () => clearInterval(timer);
  }, [at, isPlaying, isPlaying.value, last]);
  const isEnd = at.value >= last;
  return (
    <div class="rmm-trial-steps">
      <p class="rmm-trial-text" data-unfinished={!isEnd || undefined}>
        {isEnd ? text : steps[at.value]}
      </p>
      <div class="rmm-trial-buttons">
        <button
          type="button"
          class="rmm-button"
          onClick={() => {
            if (isEnd) {
              at.value = 0;
            }
            isPlaying.value = !isPlaying.value;
          }}
        >
          {isPlaying.value ? "Pause" : "Play the steps"}
        </button>
        <input
          type="range"
          class="rmm-trial-slider"
          aria-label="Step"
          aria-valuetext={isEnd ? "the end" : `step ${at.value + 1} of ${last}`}
          min={0}
          max={last}
          value={at.value}
          onInput={(event) => {
            isPlaying.value = false;
            at.value = Number(event.currentTarget.value);
          }}
        />
        <span class="rmm-hint" aria-hidden="true">
          {isEnd ? "the end" : `${at.value + 1} of ${last}`}
        </span>
      </div>
    </div>
  );
}
