/** Removes models in small batches, so that each is answered in time and a long removal shows how far it is. */
import type { ViewState } from "../state";

const BATCH = 20;

export interface Removal {
  readonly files: boolean;
  readonly total: number;
  readonly done: number;
  /** Bytes. */
  readonly freed: number;
}

/**
 * Removes `ids`, with their files or without, and tells after each batch how far it is. Models that are gone are no
 * longer chosen or open.
 *
 * @throws CommandFailed at the first batch that fails; the ones before it are done
 */
export async function removeModels(
  state: ViewState,
  ids: readonly string[],
  files: boolean,
  onProgress: (removal: Removal) => void,
): Promise<Removal> {
  let removal: Removal = { files, total: ids.length, done: 0, freed: 0 };
  onProgress(removal);
  while (removal.done < ids.length) {
    const batch = ids.slice(removal.done, removal.done + BATCH);
    const answer = await state.ask("remove", { model_ids: batch, files });
    removal = { ...removal, done: removal.done + batch.length, freed: removal.freed + freedBytes(answer) };
    forget(state, batch);
    onProgress(removal);
  }
  return removal;
}

function freedBytes(answer: unknown): number {
  const freed = typeof answer === "object" && answer !== null && "freed" in answer ? Number(answer.freed) : 0;
  return Number.isFinite(freed) && freed > 0 ? freed : 0;
}

function forget(state: ViewState, ids: readonly string[]): void {
  const gone = new Set(ids);
  const left = [...state.selected.peek()].filter((id) => !gone.has(id));
  if (left.length < state.selected.peek().size) {
    state.selected.value = new Set(left);
  }
  const open = state.open.peek();
  if (open !== null && gone.has(open)) {
    state.open.value = null;
  }
}
