/** Dragging a row of the table out of it, as code. */
import type { Row } from "../protocol/schema";
import { cutText } from "./cut-text";
import { modelCode } from "./model-code";
import type { ViewState } from "./state";

/** Pixels that the pointer moves before it is a drag and no click. */
const FAR = 6;
const LONGEST_LABEL = 60;

/** Waits for the pointer that went down on a row to move, where the host has a place for code. */
export function watchForDrag(event: PointerEvent, row: Row | undefined, state: ViewState): void {
  const place = state.codePlace;
  const target = event.target;
  if (!place || !row || event.button !== 0 || event.pointerType !== "mouse" || hasModifier(event)) {
    return;
  }
  if (!(target instanceof Element) || target.closest("button, input, a")) {
    return;
  }
  const life = new AbortController();
  const { signal } = life;
  const { clientX, clientY } = event;
  const stop = () => life.abort();
  document.addEventListener("selectstart", (selecting) => selecting.preventDefault(), { signal });
  document.addEventListener("pointerup", stop, { signal, capture: true });
  document.addEventListener("pointercancel", stop, { signal, capture: true });
  document.addEventListener(
    "pointermove",
    (moved) => {
      if (Math.hypot(moved.clientX - clientX, moved.clientY - clientY) >= FAR) {
        stop();
        place.drag(modelCode(row), cutText(row.id, LONGEST_LABEL), moved);
      }
    },
    { signal, capture: true },
  );
}

function hasModifier({ shiftKey, ctrlKey, metaKey, altKey }: PointerEvent): boolean {
  return shiftKey || ctrlKey || metaKey || altKey;
}
