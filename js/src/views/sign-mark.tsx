/** The small shapes that stand before words, so that no meaning hangs on colour. */

export type Sign = "good" | "warning" | "error" | "info" | "question" | "lock";

const CIRCLE = "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Z";
const SHAPES: Record<Sign, string> = {
  good: `${CIRCLE}m3.6 5.300-4.400 5L4.400 8.600l1-1 1.700 1.600 3.400-3.900Z`,
  warning: "M8 1 .5 14.500h15ZM7.200 6h1.600v4.500H7.200Zm0 5.500h1.600V13H7.200Z",
  error:
    "M5 1h6l4 4v6l-4 4H5l-4-4V5Zm.9 3.900-1 1L6.900 8l-2 2.100 1 1L8 9.100l2.100 2 1-1L9.100 8l2-2.100-1-1L8 6.900Z",
  info: `${CIRCLE}M7.200 4h1.600v1.600H7.200Zm0 2.800h1.600V12H7.200Z`,
  question: `${CIRCLE}m0 1.600a5.400 5.400 0 1 1 0 10.800A5.400 5.400 0 0 1 8 2.600ZM5 7.200h6v1.600H5Z`,
  lock: "M8 1a3.500 3.500 0 0 0-3.500 3.500V7H3v8h10V7h-1.500V4.500A3.500 3.500 0 0 0 8 1Zm0 1.600a1.900 1.900 0 0 1 1.900 1.900V7H6.100V4.500A1.900 1.900 0 0 1 8 2.600Z",
};

export function SignMark({ sign }: { sign: Sign }) {
  return (
    <svg class="rmm-icon" data-sign={sign} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={SHAPES[sign]} fill-rule="evenodd" />
    </svg>
  );
}
