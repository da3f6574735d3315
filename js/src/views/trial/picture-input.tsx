/** A place for a picture: chosen from a file, dropped, or pasted. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { ACCEPT, pictureIn } from "./picture";
import { PictureCanvas } from "./picture-canvas";
import type { Trial } from "./trial";

const LONGEST_NAME = 80;
const NONE: readonly never[] = [];

export function PictureInput({ trial }: { trial: Trial }) {
  const file = useRef<HTMLInputElement>(null);
  const isOver = useSignal(false);
  const picture = trial.memory.picture.value;
  const take = (given: File | null) => void trial.take(given, given?.name.slice(0, LONGEST_NAME) || "picture");
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: files are dropped here; the button does the same by keyboard
    <div
      class="rmm-trial-drop"
      data-over={isOver.value || undefined}
      onDragOver={(event) => {
        if (event.dataTransfer?.types.includes("Files")) {
          event.preventDefault();
          event.stopPropagation();
          isOver.value = true;
        }
      }}
      onDragLeave={() => {
        isOver.value = false;
      }}
      onDrop={(event) => {
        event.preventDefault();
        event.stopPropagation();
        isOver.value = false;
        take(pictureIn(event.dataTransfer));
      }}
      onPaste={(event) => {
        const pasted = pictureIn(event.clipboardData);
        if (pasted) {
          event.preventDefault();
          event.stopPropagation();
          take(pasted);
        }
      }}
    >
      {picture && !trial.memory.outcome.value?.picture && <PictureCanvas picture={picture} boxes={NONE} />}
      <input
        ref={file}
        type="file"
        // Not `hidden`: what the host says of inputs is reverted, and that with it.
        style={{ display: "none" }}
        aria-label="Picture file"
        accept={ACCEPT}
        onChange={(event) => {
          take(event.currentTarget.files?.[0] ?? null);
          event.currentTarget.value = "";
        }}
      />
      <div class="rmm-trial-buttons">
        <button type="button" class="rmm-button" onClick={() => file.current?.click()}>
          {picture ? "Another picture…" : "Choose a picture…"}
        </button>
        <span class="rmm-hint">or drop or paste one here</span>
      </div>
      {trial.problem.value && (
        <p role="alert" class="rmm-error-text">
          {trial.problem.value}
        </p>
      )}
    </div>
  );
}
