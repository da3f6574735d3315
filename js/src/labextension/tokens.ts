/** What the plugins of this extension share. */
import { Token } from "@lumino/coreutils";
import type { KernelLink } from "./kernel-link";
import type { PanelRequest } from "./panel-requests";

/** The connection to the manager of the kernel that the user works with. */
export type IModelsLink = Pick<KernelLink, "state" | "name" | "target" | "reachable" | "look" | "watch" | "connect">;

export const IModelsLink = new Token<IModelsLink>(
  "rmm-widgets:IModelsLink",
  "The connection to the models of the kernel that the user works with. While somebody looks, it is kept.",
);

/** The side panel. */
export interface IModelsPanel {
  /** Shows the panel, and in it what is asked for as soon as it is connected. */
  show(request?: PanelRequest): void;
}

export const IModelsPanel = new Token<IModelsPanel>(
  "rmm-widgets:IModelsPanel",
  "The side panel with the models of the current notebook or console.",
);
