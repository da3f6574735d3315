/** One model being tried: its input, the call that runs, and what came of the last one. */
import { signal } from "@preact/signals";
import { Attempt } from "../attempt";
import { CommandFailed } from "../command-client";
import type { ViewState } from "../state";
import { NoPicture, openPicture } from "./picture";
import { readTrial } from "./read-trial";
import type { TrialMemory } from "./trial-memory";
import { type InputKind, resultWords } from "./trial-words";

/** Milliseconds; the kernel ends a call after two minutes, and may have asked the model something before. */
const PATIENCE = 250_000;

const NO_RESULT = new CommandFailed({
  type: "NoResult",
  message: "The kernel's answer has no result.",
  hint: "Restart the kernel and reload the page where it has another version of rmm_widgets.",
});

export class Trial {
  readonly memory: TrialMemory;
  /** What is wrong with the picture that was given last. */
  readonly problem = signal("");
  /** Whether the last call was given up because its view was taken away. */
  readonly wasLeft = signal(false);
  readonly attempt = new Attempt();
  readonly #state: ViewState;
  readonly #id: string;

  constructor(state: ViewState, id: string, memory: TrialMemory) {
    this.#state = state;
    this.#id = id;
    this.memory = memory;
    this.wasLeft.value = memory.isRunning.peek();
    memory.isRunning.value = false;
    // Nobody would hear what comes of it, and the model would be busy with it for whoever calls next.
    state.life.addEventListener("abort", () => {
      if (memory.isRunning.peek()) {
        state.tell("stop", { model_id: id });
      }
    });
  }

  /** Whether there is an input of that kind. */
  isReady(kind: InputKind): boolean {
    const { picture, first, second } = this.memory;
    switch (kind) {
      case "picture":
        return picture.value !== null;
      case "two-texts":
        return first.value.trim() !== "" && second.value.trim() !== "";
      case "text":
        return first.value.trim() !== "";
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
      this.memory.picture.value = await openPicture(file, name);
      this.memory.outcome.value = null;
      this.#state.announcement.value = `Picture ${name} is there`;
    } catch (error) {
      if (!(error instanceof NoPicture)) {
        throw error;
      }
      this.problem.value = error.message;
    }
  }

  run(kind: InputKind): Promise<void> {
    const { memory } = this;
    return this.attempt.run("Running", async () => {
      const picture = kind === "picture" ? memory.picture.peek() : null;
      const texts = textsOf(kind, memory.first.peek(), memory.second.peek());
      memory.outcome.value = null;
      this.wasLeft.value = false;
      const result = readTrial(await this.#call(texts, picture ? [picture.bytes] : []));
      if (!result) {
        throw NO_RESULT;
      }
      memory.outcome.value = { result, picture };
      this.#state.announcement.value = resultWords(result);
    });
  }

  async #call(texts: readonly string[], buffers: ArrayBuffer[]): Promise<unknown> {
    const { isRunning } = this.memory;
    isRunning.value = true;
    try {
      return await this.#state.ask("try", { model_id: this.#id, texts }, { timeout: PATIENCE, buffers });
    } finally {
      isRunning.value = false;
    }
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
