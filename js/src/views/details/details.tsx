/** The details of the model that is open: nothing where none is. */
import { useMemo, useRef } from "preact/hooks";
import type { ViewState } from "../state";
import { Trial } from "../trial/trial";
import type { TrialMemory } from "../trial/trial-memory";
import { Drawer } from "./drawer";

export function Details({ state }: { state: ViewState }) {
  const { memory } = state;
  // A call goes on while the details of another model are open.
  const trials = useMemo(() => new WeakMap<TrialMemory, Trial>(), []);
  const restored = useRef(memory.open.peek());
  const id = memory.open.value;
  if (id !== restored.current) {
    restored.current = null;
  }
  if (id === null) {
    return null;
  }
  const tried = memory.trial(id);
  const trial = trials.get(tried) ?? new Trial(state, id, tried);
  trials.set(tried, trial);
  return <Drawer key={id} state={state} id={id} trial={trial} wasOpen={id === restored.current} />;
}
