/**
 * Whether a view stands on a light or a dark ground, and whether its host asks for high contrast.
 *
 * Selectors cannot tell: in marimo the view lies in a shadow tree, where the page's classes do not match, and hosts
 * name their themes in different ways. So the ground itself is measured, where the host lends us its colours, and
 * looked for around the view where it does not; and measured again whenever the host may have changed its theme.
 */

export type Theme = "light" | "dark";

/** Colours of the host that our ground is made of: where one is set, our ground is the host's. */
const LENT = ["--jp-layout-color1", "--vscode-editor-background"];
const MARKS = ["class", "data-theme", "theme", "style", "data-jp-theme-light", "data-jp-theme-name"];
const DARK_CLASSES = ["dark", "dark-theme", "theme-dark", "vscode-dark", "vscode-high-contrast"];
const LIGHT_CLASSES = ["light", "light-theme", "theme-light", "vscode-light", "vscode-high-contrast-light"];
const HIGH_CONTRAST = /high[ -]?contrast/i;

/** Keeps `data-theme` and `data-contrast` of a view's root true; returns what ends that. */
export function followTheme(root: HTMLElement): () => void {
  let frame = 0;
  let around: readonly Element[] = [];
  /** Whether the view is in another place than it was; what is around it is watched from then on. */
  const hasMoved = () => {
    const now = [...ancestors(root)];
    if (now.length === around.length && now.every((element, at) => element === around[at])) {
      return false;
    }
    around = now;
    marks.disconnect();
    marks.observe(document.head, { childList: true });
    for (const element of now) {
      marks.observe(element, { attributes: true, attributeFilter: MARKS, childList: true });
    }
    return true;
  };
  const paint = () => {
    frame = 0;
    hasMoved();
    setData(root, "contrast", wantsContrast(root) ? "more" : undefined);
    setData(root, "theme", themeOf(root));
  };
  const repaint = () => {
    frame ||= requestAnimationFrame(paint);
  };
  const marks = new MutationObserver(repaint);
  // Hosts draw a view before they attach it: then it gets a size.
  const place = new ResizeObserver(() => {
    if (hasMoved()) {
      paint();
    }
  });
  place.observe(root);
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", repaint);
  // Style sheets of a theme arrive after its marks.
  document.addEventListener("load", repaint, true);
  paint();
  return () => {
    cancelAnimationFrame(frame);
    marks.disconnect();
    place.disconnect();
    media.removeEventListener("change", repaint);
    document.removeEventListener("load", repaint, true);
  };
}

function setData(root: HTMLElement, name: string, value: string | undefined): void {
  if (root.dataset[name] === value) {
    return;
  }
  if (value === undefined) {
    delete root.dataset[name];
  } else {
    root.dataset[name] = value;
  }
}

/** What lies under and around the view. */
export function themeOf(root: HTMLElement): Theme {
  const style = getComputedStyle(root);
  if (LENT.some((name) => style.getPropertyValue(name).trim() !== "")) {
    return isDark(style.backgroundColor) ? "dark" : "light";
  }
  for (const element of ancestors(root)) {
    const theme = markedTheme(element) ?? paintedTheme(element);
    if (theme) {
      return theme;
    }
  }
  return usedScheme(getComputedStyle(root.parentElement ?? document.documentElement).colorScheme);
}

/** What an element says of its theme, in an attribute or a class. */
function markedTheme(element: Element): Theme | null {
  const named = `${element.getAttribute("data-theme") ?? ""} ${element.getAttribute("theme") ?? ""}`;
  const says = (word: Theme, classes: readonly string[]) =>
    named.includes(word) || classes.some((name) => element.classList.contains(name));
  // VS Code marks its light high contrast as high contrast, too.
  return says("light", LIGHT_CLASSES) ? "light" : says("dark", DARK_CLASSES) ? "dark" : null;
}

function paintedTheme(element: Element): Theme | null {
  const ground = getComputedStyle(element).backgroundColor;
  const [, , , alpha] = channels(ground);
  return alpha > 127 ? (isDark(ground) ? "dark" : "light") : null;
}

function usedScheme(scheme: string): Theme {
  const [hasLight, hasDark] = [scheme.includes("light"), scheme.includes("dark")];
  return hasDark && (!hasLight || matchMedia("(prefers-color-scheme: dark)").matches) ? "dark" : "light";
}

function wantsContrast(root: Element): boolean {
  for (const element of ancestors(root)) {
    if (HIGH_CONTRAST.test(`${element.className} ${element.getAttribute("data-jp-theme-name") ?? ""}`)) {
      return true;
    }
  }
  return false;
}

/** The elements around one, nearest first; a shadow tree's host is around what is in it. */
function* ancestors(start: Element): Generator<Element> {
  let element: Element | null = start;
  while (element) {
    const root: Node = element.getRootNode();
    element = element.parentElement ?? (root instanceof ShadowRoot ? root.host : null);
    if (element) {
      yield element;
    }
  }
}

/** Darker than the middle of black and white, as the eye has it. */
function isDark(color: string): boolean {
  const [red, green, blue] = channels(color);
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue) < 0.18;
}

function linear(channel: number): number {
  const share = channel / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

let canvas: CanvasRenderingContext2D | null = null;

/** Red, green, blue and alpha from 0 to 255, of a colour in any notation that the browser knows. */
function channels(color: string): readonly [number, number, number, number] {
  canvas ??= Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", {
    willReadFrequently: true,
  });
  if (!canvas) {
    return [255, 255, 255, 255];
  }
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = "#fff";
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const [red = 255, green = 255, blue = 255, alpha = 255] = canvas.getImageData(0, 0, 1, 1).data;
  return [red, green, blue, alpha];
}
