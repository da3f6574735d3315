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
import { probe } from "./probe";
import { startSubshell } from "./subshell";

/** Milliseconds of waiting for the main thread, after each of which the comms are tried beside the cell. */
const PATIENCE = [1_000, 5_000, 15_000];
/** Milliseconds that a kernel gets to answer beside a cell. */
const BESIDE = 3_000;

/**
 * Connects to a kernel; runs nothing in one that is not Python, and nothing of ours where the package is missing.
 *
 * @param onBusy called where a cell may keep the kernel from answering
 * @throws ConnectFailure, or whatever ended the wait where `until` came
 */
export async function connect(
  kernel: Kernel.IKernelConnection,
  onBusy: () => void,
  until: AbortSignal,
): Promise<Connection> {
  await requirePython(kernel, onBusy, until);
  let answered = false;
  const probed = probe(kernel, until).finally(() => {
    answered = true;
  });
  const settled = probed.catch(() => undefined);
  for (const patience of PATIENCE) {
    await Promise.race([settled, pause(patience, until)]);
    until.throwIfAborted();
    if (answered) {
      break;
    }
    onBusy();
    const early = await beside(kernel, until);
    if (early) {
      return early;
    }
  }
  await probed;
  return await open(kernel, until);
}

async function requirePython(kernel: Kernel.IKernelConnection, onBusy: () => void, until: AbortSignal): Promise<void> {
  // Where a page is loaded again while a cell runs, that is the first thing that waits for the cell.
  const timer = setTimeout(() => until.aborted || onBusy(), PATIENCE[0]);
  const { language_info } = await kernel.info.finally(() => clearTimeout(timer));
  until.throwIfAborted();
  if (language_info.name !== "python") {
    throw new ConnectFailure({ kind: "other-language", language: language_info.name });
  }
}

/** Opens the comms beside a running cell; null where the kernel cannot do that, or does not offer them. */
async function beside(kernel: Kernel.IKernelConnection, until: AbortSignal): Promise<Connection | null> {
  if (!kernel.supportsSubshells) {
    return null;
  }
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), BESIDE);
  try {
    return await open(kernel, AbortSignal.any([until, late.signal]));
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

async function open(kernel: Kernel.IKernelConnection, until: AbortSignal): Promise<Connection> {
  const connection = new Connection(kernel, await startSubshell(kernel));
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
