/** Kernel state as a signal. */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { ViewModel } from "./view-model";

/** A signal that follows one trait; `read` turns the untrusted value into a typed one. */
export function traitSignal<T>(
  model: ViewModel,
  name: string,
  read: (value: unknown) => T,
  until: AbortSignal,
): ReadonlySignal<T> {
  const value = signal(read(model.get(name)));
  const follow = (): void => {
    value.value = read(model.get(name));
  };
  model.on(`change:${name}`, follow);
  until.addEventListener("abort", () => model.off(`change:${name}`, follow));
  return value;
}
