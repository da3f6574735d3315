/** What a model was tried with, and what came of it; outlives the view in which that was done. */
import { signal } from "@preact/signals";
import type { TrialResult } from "../../protocol/schema";
import type { Picture } from "./picture";
import type { InputKind } from "./trial-words";

export interface Outcome {
  readonly result: Required<TrialResult>;
  /** What it is about, where that was a picture. */
  readonly picture: Picture | null;
}

export class TrialMemory {
  /** The input that the user chose, where there is a choice. */
  readonly kind = signal<InputKind | null>(null);
  readonly first = signal("");
  readonly second = signal("");
  readonly picture = signal<Picture | null>(null);
  readonly outcome = signal<Outcome | null>(null);
  /** Whether a call runs; true in a new view where the one before it was taken away meanwhile. */
  readonly isRunning = signal(false);
}
