/** What a command asks the user for, and how it says what became of it. */
import { Dialog, InputDialog, Notification, showDialog } from "@jupyterlab/apputils";
import type { TranslationBundle } from "@jupyterlab/translation";
import { CommandFailed } from "../views/command-client";

/** One of the models; null where the user wants none. */
export async function chooseModel(title: string, ids: readonly string[], okLabel: string): Promise<string | null> {
  const { value, button } = await InputDialog.getItem({ title, items: [...ids], okLabel });
  return button.accept ? value : null;
}

/** What the user typed, without spaces around it; null where that is nothing. */
export async function askText(title: string, placeholder: string, okLabel: string): Promise<string | null> {
  const { value, button } = await InputDialog.getText({ title, placeholder, okLabel });
  return (button.accept && value?.trim()) || null;
}

export function say(message: string): void {
  Notification.info(message, { autoClose: 4_000 });
}

/** Tells a failure in full; a notification would cut it off. */
export function tellFailure(title: string, error: unknown, trans: TranslationBundle): void {
  if (!(error instanceof CommandFailed)) {
    throw error;
  }
  // Not showErrorMessage: that warns in the console as well.
  void showDialog({
    title,
    body: [error.message, error.hint].filter(Boolean).join("\n"),
    buttons: [Dialog.okButton({ label: trans.__("Close") })],
  });
}
