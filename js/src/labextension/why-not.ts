/** Why a command cannot be given to a kernel now, in words. */
import type { TranslationBundle } from "@jupyterlab/translation";
import type { LinkState } from "./kernel-link";

/** Empty where it can be tried: the kernel is connected, or will be for it. */
export function whyNot(state: LinkState, reachable: boolean, trans: TranslationBundle): string {
  switch (state.kind) {
    case "connected":
    case "connecting":
    case "waiting":
      return "";
    case "resting":
      return reachable ? "" : trans.__("There is no notebook or console with a running kernel.");
    case "no-document":
      return trans.__("No notebook or console is open.");
    case "no-kernel":
      return trans.__("The document has no kernel.");
    case "starting":
      return trans.__("The kernel is starting.");
    case "restarting":
      return trans.__("The kernel is restarting.");
    case "ended":
      return trans.__("The kernel has ended.");
    case "offer":
      return trans.__("Connect to the kernel in the Models panel first.");
    case "other-language":
      return trans.__("The kernel runs %1; models are managed in Python kernels.", state.language);
    case "missing":
      return trans.__("rmm_widgets is not installed in this kernel.");
    case "other-version":
      return trans.__("The kernel has rmm_widgets %1, which does not fit this JupyterLab's.", state.version);
    case "failed":
      return [state.message, state.hint].filter(Boolean).join(" ");
  }
}
