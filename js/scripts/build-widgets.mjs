// Bundles the anywidget entries and their style sheet into the Python package.
import { fileURLToPath } from "node:url";
import { build, context } from "esbuild";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

const options = {
  entryPoints: {
    panel: at("../src/widgets/panel.ts"),
    table: at("../src/widgets/table.ts"),
    progress: at("../src/widgets/progress.ts"),
    badge: at("../src/widgets/badge.ts"),
    rmm: at("../style/rmm.css"),
  },
  outdir: at("../../rmm_widgets/static"),
  bundle: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  minify: process.argv.includes("--minify"),
  logLevel: "info",
};

if (process.argv.includes("--watch")) {
  const watching = await context(options);
  await watching.watch();
} else {
  await build(options);
}
