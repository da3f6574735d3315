/** A command's talk with the kernel that the user works with. */
import type { TranslationBundle } from "@jupyterlab/translation";
import { effect } from "@preact/signals";
import type { AllRows, Row } from "../protocol/schema";
import { CommandClient, CommandFailed } from "../views/command-client";
import { readRows } from "../views/row-table";
import type { Connection } from "./connection";
import type { IModelsLink } from "./tokens";
import { whyNot } from "./why-not";

/** Milliseconds in which a kernel that is not busy is connected. */
const CONNECTING = 15_000;
const PATIENCE = 30_000;

/** What a command may ask of the kernel. */
export interface KernelSession {
  /** All models, as the kernel has them now. */
  rows(): Promise<readonly Row[]>;
  /** @throws CommandFailed where the kernel says no, or says nothing in time */
  ask(name: string, args: Record<string, unknown>): Promise<unknown>;
}

/**
 * Does something with the kernel, connected for it where it was not.
 *
 * @throws CommandFailed where there is no connection, or the kernel says no
 */
export async function withKernel<T>(
  link: IModelsLink,
  trans: TranslationBundle,
  work: (session: KernelSession) => Promise<T>,
): Promise<T> {
  const look = link.look();
  const life = new AbortController();
  try {
    const client = new CommandClient(await connected(link, trans), life.signal);
    const ask = (name: string, args: Record<string, unknown>) => client.request(name, args, PATIENCE);
    const rows = async () => readRows(((await ask("rows", {})) as Partial<AllRows> | null)?.rows);
    return await work({ ask, rows });
  } finally {
    life.abort();
    look.dispose();
  }
}

/**
 * The connection to the kernel, once there is one with all that views show. Whoever calls this looks at the link.
 *
 * @throws CommandFailed where there is none, or none in time
 */
export function connected(link: IModelsLink, trans: TranslationBundle): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const refuse = (message: string, hint = "") => {
      reject(new CommandFailed({ type: "NotConnected", message, hint }));
    };
    const life = new AbortController();
    const timer = setTimeout(() => {
      life.abort();
      refuse(
        trans.__("The kernel has not answered yet."),
        trans.__("It may be busy with a cell. Try again when the cell has ended."),
      );
    }, CONNECTING);
    const stop = effect(() => {
      const state = link.state.value;
      const reason = whyNot(state, true, trans);
      if (state.kind === "connected" && !state.connection.brief) {
        resolve(state.connection);
      } else if (reason) {
        refuse(reason);
      } else {
        return;
      }
      life.abort();
    });
    const end = () => {
      clearTimeout(timer);
      stop();
    };
    // The effect may have ended it before there was anything to stop.
    if (life.signal.aborted) {
      end();
    } else {
      life.signal.addEventListener("abort", end);
    }
  });
}
