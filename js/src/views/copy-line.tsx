/** A line of code with a button that copies it. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

export function CopyLine({ line }: { line: string }) {
  const code = useRef<HTMLElement>(null);
  const copied = useSignal<"" | "Copied" | "Press Ctrl+C">("");
  const copy = async () => {
    copied.value = (await copyText(line)) || (code.current && select(code.current)) ? "Copied" : "Press Ctrl+C";
  };
  return (
    <span class="rmm-copy">
      <code ref={code} class="rmm-code">
        {line}
      </code>
      <button
        type="button"
        class="rmm-button"
        aria-label={`${copied.value || "Copy"}: ${line}`}
        onClick={() => void copy()}
        onBlur={() => {
          copied.value = "";
        }}
      >
        {copied.value || "Copy"}
      </button>
    </span>
  );
}

/** False where the page may not write to the clipboard. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // Not over plain http, and not in every frame.
  }
}

/** Selects the line and copies it the old way; it stays selected for the user where that is forbidden, too. */
function select(element: HTMLElement): boolean {
  const range = document.createRange();
  range.selectNodeContents(element);
  const selection = document.getSelection();
  selection?.removeAllRanges();
  selection?.addRange(range);
  return document.execCommand("copy");
}
