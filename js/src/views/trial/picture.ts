/**
 * A picture that the user gives: opened by the browser, and drawn anew for the kernel.
 *
 * So what travels is small, has no more in it than can be seen (no place, no camera), and has the pixels, upright, that
 * the boxes of the result are about.
 */

/** Pixels of the longer side of what is sent. */
const LONGEST_SIDE = 1600;
/** Bytes; photos from a phone are far below. */
const LARGEST_FILE = 50_000_000;
/** Bytes that the kernel takes. */
export const MOST_BYTES = 4 << 20;
const TYPES: ReadonlySet<string> = new Set(["image/png", "image/jpeg", "image/webp", "image/gif"]);

export const ACCEPT = [...TYPES].join(",");

export interface Picture {
  readonly name: string;
  /** What is shown and sent. */
  readonly image: HTMLCanvasElement;
  readonly bytes: ArrayBuffer;
}

/** Why a file cannot be used, in words for the user. */
export class NoPicture extends Error {}

/** @throws NoPicture where the file is none that can be read */
export async function openPicture(file: Blob, name: string): Promise<Picture> {
  if (!TYPES.has(file.type)) {
    throw new NoPicture("Give a PNG, JPEG, WebP or GIF picture.");
  }
  if (file.size > LARGEST_FILE) {
    throw new NoPicture("The file is larger than 50 MB.");
  }
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) {
    throw new NoPicture("The picture cannot be read. It may be damaged.");
  }
  const image = redraw(bitmap);
  bitmap.close();
  const blob = (await encoded(image, "image/png")) ?? (await encoded(image, "image/jpeg"));
  if (!blob) {
    throw new NoPicture("The picture is too large.");
  }
  return { name, image, bytes: await blob.arrayBuffer() };
}

function redraw(bitmap: ImageBitmap): HTMLCanvasElement {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  if (context) {
    // Models know no transparency: they would see the colours that nobody does.
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  }
  return canvas;
}

/** Null where it would be too large to be sent. */
async function encoded(canvas: HTMLCanvasElement, type: string): Promise<Blob | null> {
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, type, 0.92));
  return blob && blob.size <= MOST_BYTES ? blob : null;
}

/** The first picture among what was dropped or pasted. */
export function pictureIn(data: DataTransfer | null): File | null {
  return [...(data?.files ?? [])].find((file) => file.type.startsWith("image/")) ?? data?.files[0] ?? null;
}
