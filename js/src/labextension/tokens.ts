/** What the plugins of this extension share. */
import { Token } from "@lumino/coreutils";
import type { KernelLink } from "./kernel-link";

/** The connection to the manager of the kernel that the user works with. */
export type IModelsLink = Pick<KernelLink, "state" | "name" | "target" | "look" | "connect">;

export const IModelsLink = new Token<IModelsLink>(
  "rmm-widgets:IModelsLink",
  "The connection to the models of the kernel that the user works with. While somebody looks, it is kept.",
);
