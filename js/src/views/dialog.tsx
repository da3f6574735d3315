/** The frame of every dialog: modal, named, closed by Escape, the focus goes back to where it came from. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { canTakeFocus, focusedElement } from "./focus";
import { useUniqueId } from "./unique-id";

interface DialogProps {
  /** What it is called, also by screen readers. */
  readonly title: string;
  /** The user wants it gone; the owner then draws it no more. */
  onClose(): void;
  /**
   * What gets the focus once it is gone, given what had it before (null where that is gone, too). Without this function,
   * what had it before.
   */
  returnTo?(opener: HTMLElement | null): HTMLElement | null;
  readonly children: ComponentChildren;
}

/** The focus goes to what has `autofocus`, else to the dialog itself: the first button is seldom what is meant. */
export function Dialog({ title, onClose, returnTo, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const pressedOutside = useRef(false);
  // The newest of what the owner passed, for listeners that live as long as the dialog.
  const owner = useRef({ onClose, returnTo });
  owner.current = { onClose, returnTo };
  const titleId = useUniqueId();

  useLayoutEffect(() => {
    const dialog = element.current;
    if (!dialog) {
      return;
    }
    const opener = focusedElement(dialog);
    // A browser closes it by itself where Escape is pressed again before `cancel` was answered.
    const closedByBrowser = () => owner.current.onClose();
    dialog.addEventListener("close", closedByBrowser);
    dialog.showModal();
    if (!dialog.querySelector("[autofocus]")) {
      dialog.focus();
    }
    return () => {
      dialog.removeEventListener("close", closedByBrowser);
      dialog.close();
      const candidate = canTakeFocus(opener) ? opener : null;
      const { returnTo } = owner.current;
      (returnTo ? returnTo(candidate) : candidate)?.focus();
    };
  }, []);

  return (
    <dialog
      ref={element}
      class="rmm-dialog"
      aria-labelledby={titleId}
      tabIndex={-1}
      data-lm-suppress-shortcuts="true"
      onCancel={(event) => {
        // Of a nested file chooser or the like it would bubble up to here.
        if (event.target === event.currentTarget) {
          event.preventDefault();
          onClose();
        }
      }}
      // The notebook around it has its own keys, which listen for what bubbles.
      onKeyDown={stop}
      onKeyUp={stop}
      onKeyPress={stop}
      onPointerDown={(event) => {
        pressedOutside.current = event.target === event.currentTarget;
      }}
      onClick={(event) => {
        // The frame covers the whole dialog, so that only its backdrop is "the dialog itself". A drag that began inside,
        // as when text is selected, closes nothing.
        if (pressedOutside.current && event.target === event.currentTarget) {
          onClose();
        }
      }}
    >
      <div class="rmm-dialog-frame">
        <header class="rmm-dialog-head">
          <h2 id={titleId} class="rmm-dialog-title">
            {title}
          </h2>
          <button type="button" class="rmm-close" aria-label={`Close ${title}`} title="Close" onClick={onClose}>
            <svg class="rmm-icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
              <path d={CROSS} />
            </svg>
          </button>
        </header>
        <div class="rmm-dialog-body">{children}</div>
      </div>
    </dialog>
  );
}

export const CROSS =
  "m3.700 2.500 4.300 4.300 4.300-4.300 1.200 1.200L9.200 8l4.300 4.300-1.200 1.200L8 9.200l-4.300 4.300-1.200-1.200L6.800 8 2.500 3.700Z";

function stop(event: Event): void {
  event.stopPropagation();
}
