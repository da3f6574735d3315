/**
 * A short text about an element, shown while the pointer or the focus is on it; Escape takes it away.
 *
 * It lies in the browser's top layer, so no scrolling ancestor cuts it off. The reader hears the element's description;
 * this is for the eye.
 */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

interface TooltipProps {
  readonly text: string;
  readonly class: string;
  readonly data: Readonly<Record<`data-${string}`, string>>;
  readonly children: ComponentChildren;
}

const MARGIN = 4;

/** An element with a tooltip; without a text it is an ordinary one and takes no focus. */
export function WithTooltip({ text, class: name, data, children }: TooltipProps) {
  const shown = useSignal(false);
  const trigger = useRef<HTMLSpanElement>(null);
  const show = () => {
    shown.value = text !== "";
  };
  const hide = (event: FocusEvent | PointerEvent) => {
    // Neither the pointer alone nor the focus alone ends what the other holds.
    const element = event.currentTarget as Element;
    shown.value = event.type === "focusout" ? element.matches(":hover") : element.matches(":focus");
  };
  useEffect(() => {
    if (!shown.value) {
      return;
    }
    const dismiss = (event: KeyboardEvent) => {
      if (event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        shown.value = false;
      }
    };
    const leave = () => {
      shown.value = false; // What scrolls takes the element away from below its text.
    };
    window.addEventListener("keydown", dismiss, true);
    window.addEventListener("scroll", leave, true);
    return () => {
      window.removeEventListener("keydown", dismiss, true);
      window.removeEventListener("scroll", leave, true);
    };
  }, [shown.value]);
  return (
    <span
      ref={trigger}
      class={name}
      {...data}
      // The browser's own would lie over ours.
      title={text && !shown.value ? text : undefined}
      aria-description={text || undefined}
      tabIndex={text ? 0 : undefined}
      onPointerEnter={show}
      onPointerLeave={hide}
      onFocusIn={show}
      onFocusOut={hide}
    >
      {children}
      {shown.value && <Bubble text={text} trigger={trigger} />}
    </span>
  );
}

function Bubble({ text, trigger }: { text: string; trigger: { readonly current: HTMLElement | null } }) {
  const bubble = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    const element = bubble.current;
    const anchor = trigger.current;
    if (!element || !anchor) {
      return;
    }
    element.showPopover?.();
    const place = anchor.getBoundingClientRect();
    const size = element.getBoundingClientRect();
    const fitsBelow = place.bottom + size.height + MARGIN <= window.innerHeight;
    element.style.top = `${fitsBelow ? place.bottom : Math.max(0, place.top - size.height)}px`;
    element.style.left = `${Math.max(MARGIN, Math.min(place.left, window.innerWidth - size.width - MARGIN))}px`;
  }, [trigger]);
  return (
    <span ref={bubble} class="rmm-tooltip" role="tooltip" popover="manual">
      {text}
    </span>
  );
}
