/** The dialog that is open now, over whichever view. */
import { RemoveDialog } from "./remove-dialog";
import { SearchDialog } from "./search-dialog";
import type { ViewState } from "./state";
import { UsageDialog } from "./usage-dialog";

export function OpenDialog({ state }: { state: ViewState }) {
  const dialog = state.dialog.value;
  switch (dialog?.kind) {
    case "remove":
      return <RemoveDialog state={state} ids={dialog.ids} />;
    case "search":
      return <SearchDialog state={state} />;
    case "usage":
      return <UsageDialog state={state} />;
    default:
      return null;
  }
}
