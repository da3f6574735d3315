/** Where a picture and the boxes on it come on a canvas. Pure but for `paint`. */
import type { LabelledBox } from "../../protocol/schema";

const SMALLEST = 240;
const LARGEST = 1024;
/** Told apart by those who do not see all colours; each is drawn over a dark line, so that it shows on any picture. */
export const COLOURS = ["#ffd54f", "#4fc3f7", "#ff8a65", "#aed581", "#f48fb1", "#b39ddb"] as const;

/** Pixels of the canvas for one of the picture: tiny pictures are shown larger, so that lines on them are thin. */
export function scaleOf(width: number, height: number): number {
  const longer = Math.max(width, height);
  return longer < SMALLEST ? Math.ceil(SMALLEST / longer) : Math.min(1, LARGEST / longer);
}

export interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The part of a box that lies within the canvas; null where none does. */
export function placed(box: LabelledBox, scale: number, width: number, height: number): Rectangle | null {
  const clamp = (value: number, most: number) => Math.max(0, Math.min(most, value * scale));
  const left = clamp(box.xmin, width);
  const top = clamp(box.ymin, height);
  const right = clamp(box.xmax, width);
  const bottom = clamp(box.ymax, height);
  return right > left && bottom > top ? { left, top, width: right - left, height: bottom - top } : null;
}

/** One colour for each label, in the order in which they come. */
export function coloursOf(boxes: readonly LabelledBox[]): ReadonlyMap<string, string> {
  const labels = [...new Set(boxes.map(({ label }) => label))];
  return new Map(labels.map((label, at) => [label, COLOURS[at % COLOURS.length] ?? COLOURS[0]]));
}

export function paint(canvas: HTMLCanvasElement, image: HTMLCanvasElement, boxes: readonly LabelledBox[]): void {
  const scale = scaleOf(image.width, image.height);
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  const context = canvas.getContext("2d");
  if (!context) {
    return;
  }
  context.imageSmoothingEnabled = scale < 1;
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const line = Math.max(2, Math.round(Math.max(canvas.width, canvas.height) / 300));
  const colours = coloursOf(boxes);
  context.font = `600 ${line * 6}px system-ui, sans-serif`;
  context.textBaseline = "top";
  boxes.forEach((box, at) => {
    const place = placed(box, scale, canvas.width, canvas.height);
    if (!place) {
      return;
    }
    const colour = colours.get(box.label) ?? COLOURS[0];
    const { left, top, width, height } = place;
    for (const [style, thickness] of [
      ["rgb(0 0 0 / 75%)", line * 2],
      [colour, line],
    ] as const) {
      context.strokeStyle = style;
      context.lineWidth = thickness;
      context.strokeRect(left, top, width, height);
    }
    // A number: the list below says what it is, in as many words as it takes.
    const number = String(at + 1);
    const wide = context.measureText(number).width + line * 3;
    context.fillStyle = colour;
    context.fillRect(left, top, wide, line * 8);
    context.fillStyle = "#000";
    context.fillText(number, left + line * 1.5, top + line);
  });
}
