/** Passes what happened in a form on to whoever speaks for it. */
import { type ReadonlySignal, useSignalEffect } from "@preact/signals";

export function useSaid(said: ReadonlySignal<string>, say: (words: string) => void): void {
  useSignalEffect(() => {
    if (said.value) {
      say(said.value);
    }
  });
}
