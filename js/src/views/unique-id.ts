/** Element ids for labels and descriptions. */
import { useRef } from "preact/hooks";

// Preact's own useId counts per root, and each widget evaluates this module anew: only chance keeps two views of a page
// apart.
const PREFIX = `rmm-${Math.random().toString(36).slice(2, 10)}`;
let count = 0;

/** An id that no other element of the page has; the same one for the life of the component. */
export function useUniqueId(): string {
  const id = useRef("");
  if (!id.current) {
    count += 1;
    id.current = `${PREFIX}-${count}`;
  }
  return id.current;
}
