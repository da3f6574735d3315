/** One model being tried: its input, the call that runs, and what came of the last one. */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { TrialResult } from "../../protocol/schema";
import { Attempt } from "../attempt";
import { CommandFailed } from "../command-client";
import type { ViewState } from "../state";
import { NoPicture, openPicture, type Picture } from "./picture";
import { readTrial } from "./read-trial";
import { type InputKind, resultWords } from "./trial-words";

/** Milliseconds; the kernel ends a call after two minutes, and may have asked the model something before. */
const PATIENCE = 250_000;

const NO_RESULT = new CommandFailed({
  type: "NoResult",
  message: "The kernel's answer has no result.",
  hint: "Restart the kernel and reload the page where it has another version of rmm_widgets.",
});

export interface Outcome {
  readonly result: Required<TrialResult>;
  /** What it is about, where that was a picture. */
  readonly picture: Picture | null;
}

export class Trial {
  /** The input that the user chose, where there is a choice. */
  readonly kind = signal<InputKind | null>(null);
  readonly first = signal("");
  readonly second = signal("");
  readonly picture = signal<Picture | null>(null);
  /** What is wrong with the picture that was given last. */
  readonly problem = signal("");
  readonly outcome: ReadonlySignal<Outcome | null>;
  readonly attempt = new Attempt();
  readonly #outcome = signal<Outcome | null>(null);
  readonly #state: ViewState;
  readonly #id: string;

  constructor(state: ViewState, id: string) {
    this.outcome = this.#outcome;
    this.#state = state;
    this.#id = id;
  }

  /** Whether there is an input of that kind. */
  isReady(kind: InputKind): boolean {
    switch (kind) {
      case "picture":
        return this.picture.value !== null;
      case "two-texts":
        return this.first.value.trim() !== "" && this.second.value.trim() !== "";
      case "text":
        return this.first.value.trim() !== "";
      case "prompt":
        return true;
    }
  }

  async take(file: Blob | null, name: string): Promise<void> {
    if (!file) {
      return;
    }
    this.problem.value = "";
    try {
      this.picture.value = await openPicture(file, name);
      this.#outcome.value = null;
      this.#state.announcement.value = `Picture ${name} is there`;
    } catch (error) {
      if (!(error instanceof NoPicture)) {
        throw error;
      }
      this.problem.value = error.message;
    }
  }

  run(kind: InputKind): Promise<void> {
    return this.attempt.run("Running", async () => {
      const picture = kind === "picture" ? this.picture.peek() : null;
      const texts = textsOf(kind, this.first.peek(), this.second.peek());
      this.#outcome.value = null;
      const buffers = picture ? [picture.bytes] : [];
      const answer = await this.#state.ask("try", { model_id: this.#id, texts }, { timeout: PATIENCE, buffers });
      const result = readTrial(answer);
      if (!result) {
        throw NO_RESULT;
      }
      this.#outcome.value = { result, picture };
      this.#state.announcement.value = resultWords(result);
    });
  }

  async stop(): Promise<void> {
    if (this.attempt.busy.peek()) {
      await this.#state.run("stop", { model_id: this.#id });
    }
  }
}

function textsOf(kind: InputKind, first: string, second: string): string[] {
  switch (kind) {
    case "picture":
      return [];
    case "two-texts":
      return [first, second];
    default:
      return [first];
  }
}
