/** The details of the model that is open: nothing where none is. */
import { type Signal, signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { ViewState } from "../state";
import { Trial } from "../trial/trial";
import { Drawer } from "./drawer";
import type { Drafts } from "./settings-draft";

/** Models whose last trial is kept: pictures take memory. */
const MOST_TRIALS = 8;

export function Details({ state }: { state: ViewState }) {
  // By model: what was typed and not applied is there again when the drawer is.
  const drafts = useRef(new Map<string, Signal<Drafts>>());
  // And so is what the model was tried with last.
  const trials = useRef(new Map<string, Trial>());
  const id = state.open.value;
  if (id === null) {
    return null;
  }
  const own = drafts.current.get(id) ?? signal<Drafts>({});
  drafts.current.set(id, own);
  const trial = trials.current.get(id) ?? new Trial(state, id);
  trials.current.delete(id);
  trials.current.set(id, trial);
  for (const oldest of [...trials.current.keys()].slice(0, -MOST_TRIALS)) {
    trials.current.delete(oldest);
  }
  return <Drawer key={id} state={state} id={id} drafts={own} trial={trial} />;
}
