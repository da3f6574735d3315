/** The built widget bundles as the kernel sends them: their text. */
/// <reference types="vite/client" />
import css from "../../../rmm_widgets/static/rmm.css?raw";

const found = import.meta.glob<string>("../../../rmm_widgets/static/*.js", {
  query: "?raw",
  import: "default",
  eager: true,
});

export const CSS: string = css;

/** By name, as `panel`. */
export const BUNDLES: ReadonlyMap<string, string> = new Map(
  Object.entries(found).map(([path, text]) => [path.slice(path.lastIndexOf("/") + 1, -".js".length), text]),
);
