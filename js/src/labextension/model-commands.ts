/** The commands that act on models: add, download, load, unload, cancel all. */
import type { TranslationBundle } from "@jupyterlab/translation";
import type { CommandRegistry } from "@lumino/commands";
import type { ReadonlyPartialJSONObject } from "@lumino/coreutils";
import type { Action } from "../protocol/schema";
import { fitting, inChunks, readRefused, refusal } from "../views/batch";
import { CommandFailed } from "../views/command-client";
import { isRepository } from "../views/hub-query";
import { MODEL_TYPES } from "../views/model-types";
import { askText, chooseModel, say, tellFailure } from "./command-dialogs";
import { type KernelSession, withKernel } from "./kernel-session";
import type { IModelsLink } from "./tokens";
import { whyNot } from "./why-not";

export namespace CommandIDs {
  export const add = "rmm-widgets:add";
  export const download = "rmm-widgets:download";
  export const load = "rmm-widgets:load";
  export const unload = "rmm-widgets:unload";
  export const cancelAll = "rmm-widgets:cancel-all";
}

type Definition = Pick<CommandRegistry.ICommandOptions, "label" | "caption" | "describedBy"> & {
  readonly label: string;
  readonly caption: string;
  /** Gives the command's result, null where the user wants nothing. */
  work(session: KernelSession, args: ReadonlyPartialJSONObject): Promise<string | null>;
};

const TEXT = { type: "string" } as const;

/** Adds the commands; each gives the id of the model that it acted on, null where it did nothing. */
export function addModelCommands(commands: CommandRegistry, link: IModelsLink, trans: TranslationBundle): string[] {
  const definitions = modelCommands(trans);
  for (const [id, { label, caption, work, describedBy }] of Object.entries(definitions)) {
    const reason = () => whyNot(link.state.value, link.reachable.value, trans);
    commands.addCommand(id, {
      label,
      caption: () => (reason() ? `${caption}: ${reason()}` : caption),
      isEnabled: () => reason() === "",
      describedBy: describedBy ?? {},
      execute: async (args) => {
        try {
          return await withKernel(link, trans, (session) => work(session, args));
        } catch (error) {
          tellFailure(caption, error, trans);
          return null;
        }
      },
    });
  }
  return Object.keys(definitions);
}

function modelCommands(trans: TranslationBundle): Record<string, Definition> {
  return {
    [CommandIDs.add]: {
      label: trans.__("Add a Model…"),
      caption: trans.__("Add a model of the Hub by its name"),
      describedBy: {
        args: {
          type: "object",
          properties: {
            repo: { ...TEXT, description: trans.__("The repository on the Hub, as owner/name") },
            model_id: {
              ...TEXT,
              description: trans.__("The id it shall have; made of the repository's name if not given"),
            },
            type: { ...TEXT, enum: MODEL_TYPES, description: trans.__("What the model does; found out if not given") },
          },
        },
      },
      work: (session, args) => add(session, args, trans),
    },
    [CommandIDs.download]: onOne("download", {
      label: trans.__("Download a Model…"),
      caption: trans.__("Download a model"),
      ok: trans.__("Download"),
      none: trans.__("There is no model left to download."),
      begun: (id) => trans.__("Downloading %1.", id),
      trans,
    }),
    [CommandIDs.load]: onOne("load", {
      label: trans.__("Load a Model…"),
      caption: trans.__("Load a model into memory"),
      ok: trans.__("Load"),
      none: trans.__("There is no downloaded model left to load."),
      begun: (id) => trans.__("Loading %1.", id),
      trans,
    }),
    [CommandIDs.unload]: onOne("unload", {
      label: trans.__("Unload a Model…"),
      caption: trans.__("Take a model out of memory"),
      ok: trans.__("Unload"),
      none: trans.__("No model is loaded."),
      begun: (id) => trans.__("Unloading %1.", id),
      trans,
    }),
    [CommandIDs.cancelAll]: {
      label: trans.__("Cancel All Downloads and Loads"),
      caption: trans.__("Cancel all downloads and loads; what was fetched is kept"),
      describedBy: { args: { type: "object", properties: {} } },
      work: (session) => cancelAll(session, trans),
    },
  };
}

async function add(
  session: KernelSession,
  args: ReadonlyPartialJSONObject,
  trans: TranslationBundle,
): Promise<string | null> {
  const repo =
    textOf(args.repo) ?? (await askText(trans.__("Add a Model of the Hub"), trans.__("owner/name"), trans.__("Add")));
  if (repo === null) {
    return null;
  }
  if (!isRepository(repo)) {
    throw new CommandFailed({
      type: "InvalidCommand",
      message: trans.__("“%1” is not the name of a repository.", repo),
      hint: trans.__("Names are like owner/name. Search the Hub to find one by words."),
    });
  }
  const [model_id, type] = [textOf(args.model_id), textOf(args.type)];
  const answer = await session.ask("add", { repo, ...(model_id && { model_id }), ...(type && { type }) });
  const id = textOf((answer as { id?: unknown } | null)?.id) ?? repo;
  say(trans.__("Added %1.", id));
  return id;
}

interface OnOne {
  readonly label: string;
  readonly caption: string;
  readonly ok: string;
  /** What is said where no model can be acted on. */
  readonly none: string;
  begun(id: string): string;
  readonly trans: TranslationBundle;
}

/** A command for one model: that of its arguments, else one that the user chooses. */
function onOne(action: Extract<Action, "download" | "load" | "unload">, spec: OnOne): Definition {
  const { label, caption, ok, none, begun, trans } = spec;
  return {
    label,
    caption,
    describedBy: {
      args: {
        type: "object",
        properties: { model_id: { ...TEXT, description: trans.__("The model; asked for if not given") } },
      },
    },
    work: async (session, args) => {
      let id = textOf(args.model_id);
      if (id === null) {
        const ids = fitting(action, await session.rows()).map((row) => row.id);
        if (ids.length === 0) {
          say(none);
          return null;
        }
        id = await chooseModel(caption, ids, ok);
      }
      if (id === null) {
        return null;
      }
      await session.ask(action, { model_id: id });
      say(begun(id));
      return id;
    },
  };
}

async function cancelAll(session: KernelSession, trans: TranslationBundle): Promise<null> {
  const ids = fitting("cancel", await session.rows()).map((row) => row.id);
  if (ids.length === 0) {
    say(trans.__("Nothing is being downloaded or loaded."));
    return null;
  }
  const answers = await Promise.all(inChunks(ids).map((model_ids) => session.ask("cancel", { model_ids })));
  const refused = refusal(trans.__("Cancel"), ids.length, Object.assign({}, ...answers.map(readRefused)));
  if (refused) {
    throw new CommandFailed({ type: "Refused", ...refused });
  }
  say(
    trans._n("Cancelled one model's download or load.", "Cancelled the downloads or loads of %1 models.", ids.length),
  );
  return null;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
