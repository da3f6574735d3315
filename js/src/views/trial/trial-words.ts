/** What is said of an input and of a result. Pure. */
import type { ModelType, TrialResult } from "../../protocol/schema";

export type InputKind = "picture" | "text" | "two-texts" | "prompt";

/** The inputs that a type takes, the likeliest first; a classifier's card says which it is. */
export function inputsOf(type: ModelType, tags: readonly string[]): readonly InputKind[] {
  switch (type) {
    case "embedding_model":
      return ["two-texts"];
    case "diffusion_lm":
      return ["prompt"];
    case "classification_model":
      return tags.some((tag) => /text|sentiment|token|bert/i.test(tag)) ? ["text", "picture"] : ["picture", "text"];
    default:
      return ["picture"];
  }
}

/** One sentence for those who do not see the result. */
export function resultWords(result: Required<TrialResult>): string {
  switch (result.kind) {
    case "labels": {
      const [best] = result.labels;
      return best ? `Best label: ${best.label}, ${percent(best.score)}` : "No label";
    }
    case "boxes":
      return boxesWords(result);
    case "similarity":
      return `Similarity ${result.similarity.toFixed(2)}`;
    case "text":
      return result.text ? `Result: ${result.text}` : "The model wrote nothing";
    case "stopped":
      return "Stopped";
  }
}

function boxesWords({ boxes, more }: Required<TrialResult>): string {
  const count = boxes.length + more;
  if (count === 0) {
    return "Nothing was found";
  }
  const names = [...new Set(boxes.map(({ label }) => label))].slice(0, 5).join(", ");
  return `${count} found: ${names}`;
}

/** A score from 0 to 1 in percent; as it is where it is none. */
export function percent(score: number): string {
  return score >= 0 && score <= 1 ? `${(100 * score).toFixed(1)} %` : score.toPrecision(3);
}

/** How long it took. */
export function secondsWords(seconds: number): string {
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}
