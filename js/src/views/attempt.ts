/** What a form is doing: one thing at a time, shown while it lasts, and tried again where it failed. */
import { signal } from "@preact/signals";
import { CommandFailed } from "./command-client";

/** What could not be done, and how to try it again. */
export interface Failure {
  readonly message: string;
  readonly hint: string;
  /** The name under which the guide tells more, empty where there is none. */
  readonly guide: string;
  retry(): void;
}

export class Attempt {
  /** What is being done, in words; empty where nothing is. */
  readonly busy = signal("");
  readonly failure = signal<Failure | null>(null);
  /** What has just happened, for those who do not see it. */
  readonly said = signal("");

  /** Does it, unless something else is being done. */
  async run(what: string, work: () => Promise<void>): Promise<void> {
    if (this.busy.value) {
      return;
    }
    this.busy.value = what;
    this.failure.value = null;
    this.said.value = "";
    try {
      await work();
    } catch (error) {
      if (!(error instanceof CommandFailed)) {
        throw error;
      }
      const { message, hint, guide } = error;
      this.failure.value = { message, hint, guide, retry: () => void this.run(what, work) };
      this.said.value = error.message;
    } finally {
      this.busy.value = "";
    }
  }
}
