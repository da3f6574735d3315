/** A button that opens a dialog. */
import type { ComponentChildren } from "preact";
import type { Dialog, ViewState } from "./state";

interface ButtonProps {
  readonly state: ViewState;
  readonly opens: Dialog;
  /** Its name where its words alone do not say it. */
  readonly label?: string;
  readonly children: ComponentChildren;
}

export function DialogButton({ state, opens, label, children }: ButtonProps) {
  return (
    <button
      type="button"
      class="rmm-button"
      aria-label={label}
      aria-haspopup="dialog"
      onClick={() => {
        state.dialog.value = opens;
      }}
    >
      {children}
    </button>
  );
}
