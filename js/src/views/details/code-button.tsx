/** Gives the user the code for a model: in a cell where the host has notebooks, else to paste. */
import type { Row } from "../../protocol/schema";
import { copyText } from "../copy-line";
import { modelCode } from "../model-code";
import type { ViewState } from "../state";

export function CodeButton({ state, row }: { state: ViewState; row: Row }) {
  const insert = async () => {
    const code = modelCode(row);
    if (state.codePlace?.insert(code)) {
      state.announcement.value = "The code is in a new cell of the notebook";
    } else if (await copyText(code)) {
      state.notify("done", "The code is copied.", "Paste it into a cell.");
    } else {
      state.notify("error", "The code could not be copied.", "This page may not write to the clipboard.");
    }
  };
  return (
    <button
      type="button"
      class="rmm-button"
      title={
        state.codePlace ? "A new cell that uses this model; it runs when you run it" : "Python that uses this model"
      }
      onClick={() => void insert()}
    >
      {state.codePlace ? "Insert code" : "Copy code"}
    </button>
  );
}
