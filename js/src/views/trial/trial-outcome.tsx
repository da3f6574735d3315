/** What a model made of its input: bars, boxes on the picture, texts, steps. All of it is text and canvas. */
import { useEffect, useRef } from "preact/hooks";
import type { ScoredLabel, TrialResult } from "../../protocol/schema";
import { COLOURS, coloursOf } from "./box-drawing";
import { PictureCanvas } from "./picture-canvas";
import { StepPlayer } from "./step-player";
import type { Outcome } from "./trial-memory";
import { percent, secondsWords } from "./trial-words";

type Result = Required<TrialResult>;

export function TrialOutcome({ outcome }: { outcome: Outcome }) {
  const { result, picture } = outcome;
  const element = useRef<HTMLElement>(null);
  useEffect(() => element.current?.scrollIntoView?.({ block: "nearest" }), [outcome]);
  if (result.kind === "stopped") {
    return <p class="rmm-empty">Stopped.</p>;
  }
  return (
    <section ref={element} class="rmm-trial-result" aria-label="Result">
      {picture && <PictureCanvas picture={picture} boxes={result.boxes} />}
      <Content result={result} />
      <p class="rmm-hint">
        {result.more > 0 && result.kind !== "text" && `${result.more} more, not shown. `}
        It took {secondsWords(result.seconds)}.
      </p>
    </section>
  );
}

function Content({ result }: { result: Result }) {
  switch (result.kind) {
    case "labels":
      return result.labels.length > 0 ? <Labels labels={result.labels} /> : <p class="rmm-empty">No label.</p>;
    case "boxes":
      return <Boxes result={result} />;
    case "similarity":
      return <Similarity value={result.similarity} />;
    default:
      return result.steps.length > 0 ? (
        <StepPlayer steps={result.steps} text={result.text} />
      ) : (
        <p class="rmm-trial-text">{result.text || "The model wrote nothing."}</p>
      );
  }
}

function Labels({ labels }: { labels: readonly ScoredLabel[] }) {
  return (
    <ol class="rmm-trial-labels" aria-label="Labels, the best first">
      {labels.map(({ label, score }, at) => (
        <li key={at}>
          <span class="rmm-trial-label">{label}</span>
          <span class="rmm-trial-score">{percent(score)}</span>
          <Bar share={score} />
        </li>
      ))}
    </ol>
  );
}

function Boxes({ result: { boxes } }: { result: Result }) {
  if (boxes.length === 0) {
    return <p class="rmm-empty">Nothing was found.</p>;
  }
  const colours = coloursOf(boxes);
  return (
    <ol class="rmm-trial-boxes" aria-label="What was found">
      {boxes.map(({ label, score, xmin, ymin, xmax, ymax }, at) => (
        <li key={at}>
          <span class="rmm-trial-number" aria-hidden="true" style={{ background: colours.get(label) ?? COLOURS[0] }}>
            {at + 1}
          </span>
          <span class="rmm-trial-label">{label}</span>
          <span class="rmm-trial-score">{percent(score)}</span>
          <span class="rmm-hint">
            {Math.round(xmin)}, {Math.round(ymin)} – {Math.round(xmax)}, {Math.round(ymax)}
          </span>
        </li>
      ))}
    </ol>
  );
}

function Similarity({ value }: { value: number }) {
  return (
    <div class="rmm-trial-similarity">
      <span class="rmm-trial-label">Similarity</span>
      <span class="rmm-trial-score">{value.toFixed(3)}</span>
      <Bar share={value} />
      <span class="rmm-hint">1 is the same direction, 0 is none in common.</span>
    </div>
  );
}

function Bar({ share }: { share: number }) {
  const width = Math.max(0, Math.min(1, share));
  return (
    <span class="rmm-trial-bar" aria-hidden="true">
      <span style={{ width: `${100 * width}%` }} />
    </span>
  );
}
