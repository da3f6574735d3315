/** Watches the models' link while the page can be seen, where the user wants that. */
import type { IDisposable } from "@lumino/disposable";
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import type { IModelsLink } from "./tokens";

/** Returns what ends it. */
export function watchWhile(link: Pick<IModelsLink, "watch">, wanted: ReadonlySignal<boolean | null>): () => void {
  const seen = signal(document.visibilityState === "visible");
  const onVisible = () => {
    seen.value = document.visibilityState === "visible";
  };
  document.addEventListener("visibilitychange", onVisible);
  const stop = effect(() => {
    const watch: IDisposable | null = wanted.value && seen.value ? link.watch() : null;
    return () => watch?.dispose();
  });
  return () => {
    stop();
    document.removeEventListener("visibilitychange", onVisible);
  };
}
