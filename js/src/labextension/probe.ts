/** Whether a kernel has rmm_widgets or uses it already, and making it ready for a panel. */
import type { Kernel } from "@jupyterlab/services";
import { ConnectFailure } from "./connect-failure";
import { quietly, read } from "./quiet-request";

/** Looks only: imports nothing of ours. A folder that happens to have the name has no origin. */
const FOUND = "getattr(__import__('importlib.util').util.find_spec('rmm_widgets'), 'origin', None) is not None";
const VERSION = "__import__('importlib.metadata').metadata.version('rmm_widgets')";
/** Every version of the package has this, so that panel and kernel can tell each other who they are. */
const OFFER = `__import__('rmm_widgets.comm_targets', fromlist=['offer']).offer() if ${FOUND} else None`;

/** Imports nothing. */
const MADE = "getattr(__import__('sys').modules.get('rmm_widgets.default_manager'), 'has_manager', bool)()";

/** Asks a kernel whether it has a manager; changes nothing there. */
export async function hasManager(kernel: Kernel.IKernelConnection, until: AbortSignal): Promise<boolean> {
  const made = read(await quietly(kernel, { made: MADE }, until), "made");
  return "value" in made && made.value === "True";
}

/**
 * Asks a kernel, once, whether it has the package and lets it offer its comms.
 *
 * @throws ConnectFailure where it has no package, or one that cannot be used
 */
export async function probe(kernel: Kernel.IKernelConnection, until: AbortSignal): Promise<void> {
  const answer = await quietly(kernel, { found: FOUND, version: VERSION, offered: OFFER }, until);
  const [found, version, offered] = [read(answer, "found"), read(answer, "version"), read(answer, "offered")];
  if (!("value" in found) || found.value !== "True") {
    throw new ConnectFailure({ kind: "missing" });
  }
  if (!("error" in offered)) {
    return;
  }
  if (/comm_targets|'offer'/.test(offered.error) && "value" in version) {
    throw new ConnectFailure({ kind: "other-version", version: unquoted(version.value), protocol: null });
  }
  throw new ConnectFailure({ kind: "failed", message: offered.error, hint: "" });
}

function unquoted(text: string): string {
  return text.replace(/^'|'$/g, "");
}
