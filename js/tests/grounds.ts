/** The grounds that hosts put a view on, and the contrast of what stands on them. */

/** Colours of JupyterLab 4's themes, as far as the views use them. */
const LAB_LIGHT = {
  "--jp-layout-color1": "white",
  "--jp-ui-font-color0": "#000",
  "--jp-ui-font-color1": "rgba(0, 0, 0, .87)",
  "--jp-brand-color1": "#1976d2",
  "--jp-ui-font-size1": "13px",
};
const LAB_DARK = {
  "--jp-layout-color1": "#212121",
  "--jp-ui-font-color0": "#fff",
  "--jp-ui-font-color1": "rgba(255, 255, 255, .87)",
  "--jp-brand-color1": "#2196f3",
  "--jp-ui-font-size1": "13px",
};
const LAB_CONTRAST = {
  ...LAB_DARK,
  "--jp-layout-color1": "#111",
  "--jp-ui-font-color1": "#fff",
  "--jp-brand-color1": "#319bf2",
};

export interface Ground {
  readonly name: string;
  readonly theme: "light" | "dark";
  /** Of the element around the view. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly attributes?: Readonly<Record<string, string>>;
}

const lab = (light: boolean, name: string) => ({ "data-jp-theme-light": String(light), "data-jp-theme-name": name });

export const GROUNDS: readonly Ground[] = [
  { name: "no host", theme: "light" },
  { name: "JupyterLab light", theme: "light", variables: LAB_LIGHT, attributes: lab(true, "JupyterLab Light") },
  { name: "JupyterLab dark", theme: "dark", variables: LAB_DARK, attributes: lab(false, "JupyterLab Dark") },
  {
    name: "JupyterLab high contrast",
    theme: "dark",
    variables: LAB_CONTRAST,
    attributes: lab(false, "JupyterLab Dark High Contrast"),
  },
  {
    name: "VS Code light",
    theme: "light",
    variables: { "--vscode-editor-background": "#ffffff", "--vscode-editor-foreground": "#3b3b3b" },
    attributes: { class: "vscode-light" },
  },
  {
    name: "VS Code dark",
    theme: "dark",
    variables: { "--vscode-editor-background": "#1f1f1f", "--vscode-editor-foreground": "#cccccc" },
    attributes: { class: "vscode-dark" },
  },
  {
    name: "VS Code high contrast",
    theme: "dark",
    variables: { "--vscode-editor-background": "#000000", "--vscode-editor-foreground": "#ffffff" },
    attributes: { class: "vscode-high-contrast" },
  },
  {
    name: "VS Code dark with JupyterLab's light colours",
    theme: "light",
    variables: LAB_LIGHT,
    attributes: { class: "vscode-dark" },
  },
  { name: "marimo dark", theme: "dark", attributes: { class: "dark dark-theme", "data-theme": "dark" } },
  { name: "Colab dark", theme: "dark", attributes: { theme: "dark" } },
  { name: "a dark page without marks", theme: "dark", attributes: { style: "background: #101418" } },
  { name: "a dark colour scheme", theme: "dark", attributes: { style: "color-scheme: dark" } },
];

type Color = readonly [number, number, number, number];

export interface Finding {
  readonly what: string;
  readonly ratio: number;
}

/** The texts below `root` whose contrast is too small, by WCAG: 4.5, or 3 where they are large. */
export function poorTexts(root: HTMLElement): Finding[] {
  const poor: Finding[] = [];
  for (const element of root.querySelectorAll<HTMLElement>("*")) {
    if (!hasOwnText(element) || !isSeen(element) || isInactive(element)) {
      continue;
    }
    const style = getComputedStyle(element);
    const size = Number.parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = contrast(style.color, element);
    if (ratio < (isLarge ? 3 : 4.5)) {
      poor.push({ what: `${element.className || element.tagName}: ${element.textContent?.slice(0, 40)}`, ratio });
    }
  }
  return poor;
}

/** The shapes and edges that carry meaning whose contrast with what is around them is below 3. */
export function poorParts(root: HTMLElement): Finding[] {
  const poor: Finding[] = [];
  const check = (selector: string, property: "color" | "backgroundColor" | "borderTopColor") => {
    for (const element of root.querySelectorAll<HTMLElement>(selector)) {
      const ratio = contrast(getComputedStyle(element)[property], element.parentElement ?? root);
      if (isSeen(element) && ratio < 3) {
        poor.push({ what: `${selector} ${property}`, ratio });
      }
    }
  };
  check("svg.rmm-icon", "color");
  check(".rmm-input", "borderTopColor");
  check(".rmm-meter-fill", "backgroundColor");
  check(".rmm-progress:not([data-phase=paused], [data-phase=queued]) .rmm-bar-done", "backgroundColor");
  return poor;
}

function hasOwnText(element: Element): boolean {
  return [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim());
}

function isSeen(element: Element): boolean {
  const { width, height } = element.getBoundingClientRect();
  return width > 1 && height > 1 && !element.closest(".rmm-unseen");
}

function isInactive(element: Element): boolean {
  return element.closest(":disabled, [aria-disabled=true]") !== null;
}

/** Of a colour on an element, with all grounds and opacities around it. */
export function contrast(color: string, element: Element): number {
  const ground = groundOf(element);
  const seen = over(faded(parse(color), opacityOf(element)), ground);
  const [one, other] = [luminance(seen), luminance(ground)];
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}

function groundOf(element: Element): Color {
  const grounds: Color[] = [];
  for (let each: Element | null = element; each; each = around(each)) {
    grounds.push(faded(parse(getComputedStyle(each).backgroundColor), opacityOf(each)));
  }
  return grounds.reduceRight<Color>((below, above) => over(above, below), [255, 255, 255, 1]);
}

function around(element: Element): Element | null {
  const root = element.getRootNode();
  return element.parentElement ?? (root instanceof ShadowRoot ? root.host : null);
}

function opacityOf(element: Element): number {
  let opacity = 1;
  for (let each: Element | null = element; each; each = around(each)) {
    opacity *= Number(getComputedStyle(each).opacity);
  }
  return opacity;
}

function faded([red, green, blue, alpha]: Color, opacity: number): Color {
  return [red, green, blue, alpha * opacity];
}

function over([red, green, blue, alpha]: Color, below: Color): Color {
  const mix = (one: number, other: number) => one * alpha + other * (1 - alpha);
  return [mix(red, below[0]), mix(green, below[1]), mix(blue, below[2]), 1];
}

/** `rgb(…)`, `rgba(…)` or `color(srgb …)`, as Chromium computes them. */
function parse(color: string): Color {
  const numbers = (color.match(/-?[\d.]+(e-?\d+)?/g) ?? []).map(Number);
  const [red = 0, green = 0, blue = 0, alpha = 1] = numbers;
  if (color.startsWith("color(srgb")) {
    return [red * 255, green * 255, blue * 255, alpha];
  }
  if (!color.startsWith("rgb")) {
    throw new Error(`a colour in another notation: ${color}`);
  }
  return [red, green, blue, alpha];
}

function luminance([red, green, blue]: Color): number {
  const linear = (channel: number) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}
