/** Reads the answer to `explain`: of any shape, of any length. Pure. */
import type { Explanation } from "../protocol/schema";
import { cutText } from "./cut-text";

const MOST_STEPS = 20;

/** The explanation with bounded texts; null where the answer is none. */
export function readExplanation(answer: unknown): Explanation | null {
  const it = answer as Partial<Record<keyof Explanation, unknown>> | null | undefined;
  if (typeof it?.name !== "string" || typeof it.meaning !== "string" || !Array.isArray(it.steps)) {
    return null;
  }
  return {
    name: it.name,
    meaning: cutText(it.meaning),
    steps: it.steps
      .slice(0, MOST_STEPS)
      .filter((step) => typeof step === "string")
      .map((step) => cutText(step)),
    example: typeof it.example === "string" ? cutText(it.example) : "",
  };
}
