/** Which columns the table shows: a button that opens boxes to tick. */
import { useId, useRef } from "preact/hooks";
import type { Arrangement } from "./arrangement";
import { COLUMNS } from "./columns";
import { Icon } from "./icons";

/** Pixels between the button and what it opens. */
const GAP = 4;

export function ColumnsMenu({ arrangement }: { arrangement: Arrangement }) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const shown = new Set(arrangement.columns.value.map(({ key }) => key));
  return (
    <>
      {/* The browser opens and closes it: on top of everything, by Escape, and by a click elsewhere. */}
      <button ref={button} type="button" class="rmm-button" popovertarget={id}>
        <Icon name="columns" />
        <span>Columns</span>
      </button>
      <div
        id={id}
        class="rmm-menu"
        popover="auto"
        role="group"
        aria-label="Columns"
        onBeforeToggle={(event) => {
          if (button.current) {
            placeBelow(event.currentTarget, button.current);
          }
        }}
      >
        {COLUMNS.filter(({ key }) => key !== "model").map(({ key, title }) => (
          <label key={key} class="rmm-option">
            <input
              type="checkbox"
              class="rmm-check"
              checked={shown.has(key)}
              onChange={() => arrangement.toggleColumn(key)}
            />
            {title}
          </label>
        ))}
      </div>
    </>
  );
}

function placeBelow(menu: HTMLElement, button: HTMLElement): void {
  const { bottom, right } = button.getBoundingClientRect();
  menu.style.top = `${bottom + GAP}px`;
  menu.style.right = `${document.documentElement.clientWidth - right}px`;
}
