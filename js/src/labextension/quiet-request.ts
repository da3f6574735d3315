/** Asks a kernel something without a trace in the notebook: no output, no execution count, no history. */
import type { Kernel, KernelMessage } from "@jupyterlab/services";

export type Answer = KernelMessage.IReplyOkContent & Pick<KernelMessage.IExecuteReply, "user_expressions">;

/** A cell that fails takes the requests behind it with it; one that was taken is asked again. */
const ATTEMPTS = 10;

/**
 * Evaluates expressions in the main thread of a kernel, after whatever runs there.
 *
 * @throws where the kernel ends first, or `until` comes
 */
export async function quietly(
  kernel: Kernel.IKernelConnection,
  expressions: Readonly<Record<string, string>>,
  until: AbortSignal,
): Promise<Answer> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    until.throwIfAborted();
    const future = kernel.requestExecute({
      code: "",
      silent: true,
      store_history: false,
      allow_stdin: false,
      stop_on_error: false,
      user_expressions: { ...expressions },
    });
    // Its `done` then fails: nobody waits for what a kernel says that was left.
    const cancel = () => future.dispose();
    until.addEventListener("abort", cancel);
    try {
      const { content } = await future.done;
      if (content.status === "ok") {
        return content as Answer;
      }
    } finally {
      until.removeEventListener("abort", cancel);
    }
  }
  throw new Error("The kernel did not answer.");
}

/** The text of one expression's value, or the exception that it raised. */
export function read(answer: Answer, name: string): { value: string } | { error: string } {
  const result = answer.user_expressions?.[name] as
    | { status?: string; data?: Record<string, unknown>; ename?: string; evalue?: string }
    | undefined;
  if (result?.status === "ok") {
    return { value: String(result.data?.["text/plain"] ?? "") };
  }
  return { error: `${result?.ename ?? "Error"}: ${result?.evalue ?? "no answer"}` };
}
