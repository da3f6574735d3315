/** "More about GatedModelError": shows what the kernel's guide says of an error, below the button that asks for it. */
import { useSignal } from "@preact/signals";
import type { Explanation } from "../protocol/schema";
import { CommandFailed } from "./command-client";
import { CopyLine } from "./copy-line";
import { readExplanation } from "./read-explanation";
import type { ViewState } from "./state";

interface MoreProps {
  /** The name in the guide; without one, as for a bug or of an older kernel, nothing is drawn. */
  readonly name: string | undefined;
  readonly state: ViewState;
}

/** It becomes part of a line to copy. */
const NAME = /^[A-Za-z]{1,80}$/;

export function MoreAbout({ name, state }: MoreProps) {
  return name && NAME.test(name) ? <More key={name} name={name} state={state} /> : null;
}

function More({ name, state }: { name: string; state: ViewState }) {
  const open = useSignal(false);
  const explanation = useSignal<Explanation | null>(null);
  const problem = useSignal("");

  const toggle = async () => {
    open.value = !open.value;
    if (!open.value || explanation.value) {
      return;
    }
    problem.value = "";
    try {
      explanation.value = readExplanation(await state.ask("explain", { error: name }));
      problem.value = explanation.value ? "" : "The kernel's answer was not understood.";
    } catch (error) {
      if (!(error instanceof CommandFailed)) {
        throw error;
      }
      problem.value = error.message;
    }
  };

  return (
    <div class="rmm-more">
      <button
        type="button"
        class="rmm-button rmm-quiet"
        aria-expanded={open.value}
        disabled={!(open.value || explanation.value || state.connected.value)}
        onClick={() => void toggle()}
      >
        More about {name}
      </button>
      {open.value && explanation.value && <Explained explanation={explanation.value} />}
      {open.value && problem.value && (
        <p class="rmm-explanation">
          {problem.value} In a cell: <CopyLine line={`%rmm help ${name}`} />
        </p>
      )}
    </div>
  );
}

function Explained({ explanation: { meaning, steps, example } }: { explanation: Explanation }) {
  return (
    <div class="rmm-explanation">
      <p>
        <WithCode text={meaning} />
      </p>
      <ul>
        {steps.map((step) => (
          <li key={step}>
            <WithCode text={step} />
          </li>
        ))}
      </ul>
      {example && <pre class="rmm-code">{example}</pre>}
    </div>
  );
}

/** A text in which code stands in backticks. */
function WithCode({ text }: { text: string }) {
  // Every other piece stood in backticks.
  return text.split("`").map((piece, at) => (at % 2 ? <code class="rmm-code">{piece}</code> : piece));
}
