/**
 * The way from a kernel to a connection with its manager.
 *
 * The kernel is first asked whether it has the package, in its main thread. Where a cell keeps that busy, and the kernel
 * has other threads, the comms are tried beside the cell: a kernel that has a manager offers them already.
 */
import type { Kernel } from "@jupyterlab/services";
import { ConnectFailure } from "./connect-failure";
import { Connection } from "./connection";
import { pause } from "./pause";
import { hasManager, probe } from "./probe";
import { startSubshell } from "./subshell";

/** Milliseconds of waiting for the main thread, after each of which the comms are tried beside the cell. */
const PATIENCE = [1_000, 5_000, 15_000];
/** Milliseconds that a kernel gets to answer beside a cell. */
const BESIDE = 3_000;

interface Options {
  /** Called where a cell may keep the kernel from answering. */
  onBusy(): void;
  /**
   * Milliseconds for which a kernel that has come up is left to the user, who may go on to another one, or run the
   * first cells: ipykernel 7.0 to 7.3 may stop reading where a request comes in while a reply goes out.
   */
  readonly after: number;
}

/**
 * Connects to a kernel; runs nothing in one that is not Python, and nothing of ours where the package is missing.
 *
 * @throws ConnectFailure, or whatever ended the wait where `until` came
 */
export async function connect(
  kernel: Kernel.IKernelConnection,
  { onBusy, after }: Options,
  until: AbortSignal,
): Promise<Connection> {
  /** What the main thread has said so far. */
  const heard = { language: false, all: false };
  const answered = requirePython(kernel, until)
    .then(async () => {
      heard.language = true;
      await pause(after, until);
      await probe(kernel, until);
    })
    .finally(() => {
      heard.all = true;
    });
  const settled = answered.catch(() => undefined);
  for (const patience of PATIENCE) {
    await Promise.race([settled, pause(patience, until)]);
    until.throwIfAborted();
    if (heard.all) {
      break;
    }
    onBusy();
    const early = await beside(kernel, !heard.language, until);
    if (early) {
      return early;
    }
  }
  await answered;
  return await open(kernel, await startSubshell(kernel), until);
}

/**
 * Connects, briefly, to a kernel that has a manager, once its cell has ended; null where it has none: it is left so.
 *
 * @param after milliseconds for which the kernel is left to the user
 * @throws ConnectFailure, or whatever ended the wait where `until` came
 */
export async function connectToMade(
  kernel: Kernel.IKernelConnection,
  after: number,
  until: AbortSignal,
): Promise<Connection | null> {
  await requirePython(kernel, until);
  await pause(after, until);
  return (await hasManager(kernel, until)) ? open(kernel, await startSubshell(kernel), until, true) : null;
}

/** Connects to a kernel to which there is a brief connection, beside whatever runs there. */
export async function connectAgain(kernel: Kernel.IKernelConnection, until: AbortSignal): Promise<Connection> {
  return await open(kernel, await startSubshell(kernel), until);
}

async function requirePython(kernel: Kernel.IKernelConnection, until: AbortSignal): Promise<void> {
  const { language_info } = await kernel.info;
  until.throwIfAborted();
  if (language_info.name !== "python") {
    throw new ConnectFailure({ kind: "other-language", language: language_info.name });
  }
}

/**
 * Opens the comms beside a running cell; null where the kernel cannot do that, or does not offer them.
 *
 * @param unknown the kernel has not said anything yet
 */
async function beside(
  kernel: Kernel.IKernelConnection,
  unknown: boolean,
  until: AbortSignal,
): Promise<Connection | null> {
  if (unknown && !(await isPythonByName(kernel))) {
    return null;
  }
  const subshell = await startSubshell(kernel, unknown);
  if (subshell === null) {
    return null;
  }
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), BESIDE);
  try {
    return await open(kernel, subshell, AbortSignal.any([until, late.signal]));
  } catch (error) {
    until.throwIfAborted();
    if (error instanceof ConnectFailure) {
      throw error;
    }
    return null;
  } finally {
    clearTimeout(timer);
  }
}

/** What the server knows of the kernel. One that still starts is not asked: it has no connection yet. */
async function isPythonByName(kernel: Kernel.IKernelConnection): Promise<boolean> {
  const spec = kernel.connectionStatus === "connected" ? await kernel.spec : undefined;
  return spec?.language === "python";
}

async function open(
  kernel: Kernel.IKernelConnection,
  subshell: string | null,
  until: AbortSignal,
  brief = false,
): Promise<Connection> {
  const connection = new Connection(kernel, subshell, { brief });
  const giveUp = () => connection.close();
  until.addEventListener("abort", giveUp);
  try {
    until.throwIfAborted();
    await connection.open();
    until.throwIfAborted();
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  } finally {
    until.removeEventListener("abort", giveUp);
  }
}
