/** A picture, with boxes on it. */
import { useLayoutEffect, useRef } from "preact/hooks";
import type { LabelledBox } from "../../protocol/schema";
import { paint } from "./box-drawing";
import type { Picture } from "./picture";

export function PictureCanvas({ picture, boxes }: { picture: Picture; boxes: readonly LabelledBox[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    if (canvas.current) {
      paint(canvas.current, picture.image, boxes);
    }
  }, [picture, boxes]);
  const { width, height } = picture.image;
  const found = boxes.length > 0 ? `, with ${boxes.length === 1 ? "1 box" : `${boxes.length} boxes`}` : "";
  return (
    <canvas
      ref={canvas}
      class="rmm-trial-picture"
      role="img"
      data-boxes={boxes.length > 0 || undefined}
      aria-label={`${picture.name}, ${width} × ${height} pixels${found}`}
    />
  );
}
