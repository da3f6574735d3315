/** The commands that show something of the models: search, log, and the lines that freeze them. */
import { Dialog, showDialog } from "@jupyterlab/apputils";
import type { TranslationBundle } from "@jupyterlab/translation";
import type { CommandRegistry } from "@lumino/commands";
import { askText } from "./command-dialogs";
import { LinesToRun } from "./lines-to-run";
import type { IModelsLink, IModelsPanel } from "./tokens";
import { whyNot } from "./why-not";

export namespace CommandIDs {
  export const search = "rmm-widgets:search";
  export const log = "rmm-widgets:log";
  export const freeze = "rmm-widgets:freeze";
}

const NO_ARGUMENTS = { args: { type: "object", properties: {} } } as const;

export function addPanelCommands(
  commands: CommandRegistry,
  link: IModelsLink,
  panel: IModelsPanel,
  trans: TranslationBundle,
): string[] {
  const reason = () => whyNot(link.state.value, link.reachable.value, trans);
  // The panel itself offers what to do about the others.
  const isEnabled = () => reason() === "" || link.state.value.kind === "offer";
  const why = (caption: string) => () => (isEnabled() ? caption : `${caption}: ${reason()}`);
  commands.addCommand(CommandIDs.search, {
    label: trans.__("Search the Hub…"),
    caption: why(trans.__("Search the Hub for models")),
    isEnabled,
    describedBy: {
      args: {
        type: "object",
        properties: { query: { type: "string", description: trans.__("Words to search for; asked for if not given") } },
      },
    },
    execute: async (args) => {
      const { query } = args;
      const words =
        typeof query === "string"
          ? query
          : await askText(trans.__("Search the Hub"), trans.__("a task, or a name"), trans.__("Search"));
      if (words !== null) {
        panel.show({ kind: "search", query: words });
      }
    },
  });
  commands.addCommand(CommandIDs.log, {
    label: trans.__("Show the Log of Models"),
    caption: why(trans.__("Show what happened to the models")),
    isEnabled,
    describedBy: NO_ARGUMENTS,
    execute: () => panel.show({ kind: "log" }),
  });
  return [CommandIDs.search, CommandIDs.log, addFreeze(commands, link, trans)];
}

/** Gives the lines only: a page may not have a kernel write files, least of all over others. */
function addFreeze(commands: CommandRegistry, link: IModelsLink, trans: TranslationBundle): string {
  const caption = trans.__("Write down all models in a lock file");
  const noKernel = trans.__("There is no notebook or console with a running kernel.");
  commands.addCommand(CommandIDs.freeze, {
    label: trans.__("Freeze the Models…"),
    caption: () => (link.reachable.value ? caption : `${caption}: ${noKernel}`),
    isEnabled: () => link.reachable.value,
    describedBy: NO_ARGUMENTS,
    execute: async () => {
      const words = trans.__(
        "Run this in a cell. It writes the commit, files and settings of every model to rmm.lock in the kernel's folder, over what is there; %1 makes another machine the same.",
        "%rmm sync",
      );
      await showDialog({
        title: trans.__("Freeze the Models"),
        body: new LinesToRun(words, "%load_ext rmm_widgets\n%rmm freeze"),
        buttons: [Dialog.okButton({ label: trans.__("Close") })],
      });
    },
  });
  return CommandIDs.freeze;
}
