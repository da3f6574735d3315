/** The little pictures on buttons: strokes in the colour of the text. */

const PATHS = {
  download: "M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11",
  pause: "M5.5 3v10M10.5 3v10",
  resume: "M5 3l8 5-8 5z",
  cancel: "M4 4l8 8M12 4l-8 8",
  discard: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M6 6l4 4M10 6l-4 4",
  load: "M8 10V2.5M4.5 6 8 2.5 11.5 6M2.5 13.5h11",
  unload: "M8 3l5 6H3zM3 13h10",
  health: "M1.5 8.5h3l2-5 3 9 2-4h3",
  repair:
    "M13.3 4.2l-2.3 2.3-1.7-.3-.3-1.7L11.3 2.2A3.6 3.6 0 0 0 6.7 7L2.5 11.2a1.6 1.6 0 0 0 2.3 2.3L9 9.3a3.6 3.6 0 0 0 4.3-5.1z",
  details: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M8 7.5v3.5M8 5v.1",
  remove: "M2.5 4.5h11M6.5 4.5V2.8h3v1.7M4 4.5l.7 9h6.6l.7-9M6.7 7v4M9.3 7v4",
  pin: "M5.8 2h4.4L9.7 6l2.3 2.8H4L6.3 6zM8 8.8V14",
  columns: "M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10",
  ascending: "M4 10l4-4 4 4",
  descending: "M4 6l4 4 4-4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="rmm-stroke" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
