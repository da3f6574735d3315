// Runs the tests in a real Chromium: the system's, or the one that RMM_CHROMIUM names.
import { realpathSync } from "node:fs";
import { env } from "node:process";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

const launchOptions = {
  executablePath: env.RMM_CHROMIUM || "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

export default defineConfig({
  // Named here, or a first run would find them late and reload the page amid a test.
  optimizeDeps: {
    include: [
      "preact",
      "preact/hooks",
      "preact/jsx-runtime",
      "preact/jsx-dev-runtime",
      "@preact/signals",
      "@jupyter-widgets/base",
      "@jupyter-widgets/base-manager",
      "@jupyterlab/apputils",
      "@jupyterlab/services",
      "@jupyterlab/statusbar",
      "@jupyterlab/translation",
      "@lumino/commands",
      "@lumino/coreutils",
      "@lumino/disposable",
      "@lumino/signaling",
      "@lumino/widgets",
      "anywidget",
    ],
  },
  // The built bundles are beside js/, in the Python package.
  server: { host: "127.0.0.1", fs: { allow: ["..", realpathSync("node_modules")] } },
  test: {
    include: ["tests/**/*.test.ts", "tests/**/*.test.tsx"],
    testTimeout: 30_000,
    // ipywidgets' manager brings parts that look for Node, and are never called here.
    onConsoleLog: (text) => !text.includes("externalized for browser compatibility"),
    browser: {
      enabled: true,
      headless: true,
      api: { host: "127.0.0.1" },
      provider: playwright({ launchOptions }),
      instances: [{ browser: "chromium" }],
      screenshotFailures: false,
      viewport: { width: 1100, height: 800 },
    },
  },
});
