/** The dialog that is open now, over whichever view. */
import { Dialog } from "./dialog";
import { RemoveDialog } from "./remove-dialog";
import { SearchForm } from "./search-dialog";
import type { ViewState } from "./state";
import { UsageForm } from "./usage-dialog";

export function OpenDialog({ state }: { state: ViewState }) {
  const dialog = state.dialog.value;
  const close = () => {
    state.dialog.value = null;
  };
  switch (dialog?.kind) {
    case "remove":
      return <RemoveDialog state={state} ids={dialog.ids} />;
    case "search":
      return (
        <Dialog title="Search the Hub" onClose={close}>
          <SearchForm key={dialog.query} state={state} first={dialog.query ?? ""} />
        </Dialog>
      );
    case "usage":
      return (
        <Dialog title="Disk use" onClose={close}>
          <UsageForm state={state} />
        </Dialog>
      );
    default:
      return null;
  }
}
