// Removes every build output, so that a build never ships yesterday's files.
import { rmSync } from "node:fs";

for (const output of [
  "../lib",
  "../tsconfig.tsbuildinfo",
  "../../rmm_widgets/static",
  "../../rmm_widgets/labextension",
]) {
  rmSync(new URL(output, import.meta.url), { recursive: true, force: true });
}
