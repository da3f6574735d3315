/** Tabs after the ARIA pattern: arrow keys walk through them, the chosen one's panel is shown. */
import type { Signal } from "@preact/signals";
import type { ComponentChild } from "preact";
import { useRef } from "preact/hooks";
import { useUniqueId } from "../unique-id";

export interface Tab {
  readonly name: string;
  /** Beside the name for those who see it, such as a count. */
  readonly mark?: string | undefined;
  /** Drawn only while the tab is chosen. */
  draw(): ComponentChild;
}

interface TabsProps {
  readonly label: string;
  readonly tabs: readonly Tab[];
  /** The place of the one that is shown. */
  readonly chosen: Signal<number>;
}

export function Tabs({ label, tabs, chosen }: TabsProps) {
  const base = useUniqueId();
  const list = useRef<HTMLDivElement>(null);
  const current = tabs[chosen.value];

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    const isMirrored = list.current !== null && getComputedStyle(list.current).direction === "rtl";
    const next = nextTab(event.key, chosen.value, tabs.length, isMirrored);
    if (next !== null) {
      event.preventDefault();
      event.stopPropagation();
      chosen.value = next;
      list.current?.querySelectorAll<HTMLElement>('[role="tab"]')[next]?.focus();
    }
  };

  return (
    <>
      <div ref={list} class="rmm-tabs" role="tablist" aria-label={label} onKeyDown={onKeyDown}>
        {tabs.map((tab, at) => (
          <button
            key={tab.name}
            type="button"
            role="tab"
            class="rmm-tab"
            id={`${base}-tab-${at}`}
            aria-controls={at === chosen.value ? `${base}-panel` : undefined}
            aria-selected={at === chosen.value}
            tabIndex={at === chosen.value ? 0 : -1}
            onClick={() => {
              chosen.value = at;
            }}
          >
            {tab.name}
            {tab.mark && (
              <span class="rmm-tab-mark" aria-hidden="true">
                {tab.mark}
              </span>
            )}
          </button>
        ))}
      </div>
      <div
        key={chosen.value}
        class="rmm-tab-panel"
        role="tabpanel"
        id={`${base}-panel`}
        aria-labelledby={`${base}-tab-${chosen.value}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the pattern wants the panel in reach, as it may hold only text
        tabIndex={0}
      >
        {current?.draw()}
      </div>
    </>
  );
}

/** The tab that a key leads to, or null where the key is none of theirs. Pure. */
export function nextTab(key: string, at: number, count: number, isMirrored: boolean): number | null {
  switch (key) {
    case "ArrowRight":
      return (at + (isMirrored ? count - 1 : 1)) % count;
    case "ArrowLeft":
      return (at + (isMirrored ? 1 : count - 1)) % count;
    case "Home":
      return 0;
    case "End":
      return count - 1;
    default:
      return null;
  }
}
