/** The editor of a model's configuration: checks while one types, sends only what changed, shows what the kernel refuses. */
import { type Signal, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Setting } from "../../protocol/schema";
import { CommandFailed } from "../command-client";
import { cutText } from "../cut-text";
import { MoreAbout } from "../more-about";
import type { ViewState } from "../state";
import { SettingField } from "./setting-field";
import { changesOf, type Draft, type Drafts, draftOf, own } from "./settings-draft";

const LONGEST_PROBLEM = 500;

interface FormProps {
  readonly state: ViewState;
  readonly id: string;
  readonly settings: readonly Setting[];
  readonly isLoaded: boolean;
  /** What the user typed; it outlives the form, so that looking at another tab loses nothing. */
  readonly drafts: Signal<Drafts>;
  /** The configuration has changed: the settings are to be asked for anew. */
  onApplied(): void;
}

export function SettingsForm({ state, id, settings, isLoaded, drafts, onApplied }: FormProps) {
  const form = useRef<HTMLFormElement>(null);
  const refused = useSignal<Readonly<Record<string, string>>>({});
  const message = useSignal("");
  const guide = useSignal("");
  const isSending = useSignal(false);

  if (settings.length === 0) {
    return <p class="rmm-empty">This model has no settings.</p>;
  }
  const { config, problems } = changesOf(settings, drafts.value);
  const changed = Object.keys(config).length + Object.keys(problems).length;
  const canApply = changed > 0 && !isSending.value && state.connected.value;

  const onDraft = (key: string, draft: Draft) => {
    drafts.value = { ...drafts.value, [key]: draft };
    message.value = "";
    // What the kernel refused was the old text.
    refused.value = Object.fromEntries(Object.entries(refused.value).filter(([name]) => name !== key && name !== ""));
  };

  const apply = async () => {
    if (!canApply) {
      return;
    }
    const [first] = Object.keys(problems);
    if (first !== undefined) {
      focusField(form.current, first);
      return;
    }
    isSending.value = true;
    message.value = "";
    guide.value = "";
    try {
      refused.value = readProblems(await state.ask("configure", { model_id: id, config }));
      if (Object.keys(refused.value).length === 0) {
        message.value = appliedWords(settings, config, isLoaded);
        onApplied();
      }
    } catch (error) {
      if (!(error instanceof CommandFailed)) {
        throw error;
      }
      guide.value = error.guide;
      refused.value = { "": error.hint ? `${error.message} ${error.hint}` : error.message };
    } finally {
      isSending.value = false;
    }
    const [worst] = Object.keys(refused.value).filter((key) => key !== "");
    if (worst !== undefined) {
      focusField(form.current, worst);
    }
  };

  const known = new Set(settings.map((setting) => setting.key));
  const general = Object.entries(refused.value).filter(([key]) => !known.has(key));
  return (
    <form
      ref={form}
      class="rmm-settings"
      aria-label={`Settings of ${id}`}
      aria-busy={isSending.value}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void apply();
      }}
    >
      {settings.map((setting) => {
        const draft = own(drafts.value, setting.key);
        return (
          <SettingField
            key={setting.key}
            setting={setting}
            draft={draft === undefined ? draftOf(setting, setting.value) : draft}
            problem={own(problems, setting.key) ?? own(refused.value, setting.key)}
            changed={Object.hasOwn(config, setting.key) || Object.hasOwn(problems, setting.key)}
            onDraft={(next) => onDraft(setting.key, next)}
          />
        );
      })}
      <div class="rmm-settings-foot">
        {general.length > 0 && (
          <p role="alert" class="rmm-field-problem">
            {general.map(([key, problem]) => (key ? `${key}: ${problem}` : problem)).join(" ")}
          </p>
        )}
        {general.length > 0 && <MoreAbout name={guide.value} state={state} />}
        <button type="submit" class="rmm-button" aria-disabled={!canApply}>
          {isSending.value ? "Applying…" : "Apply"}
        </button>
        <button
          type="button"
          class="rmm-button"
          aria-disabled={changed === 0}
          onClick={() => {
            drafts.value = {};
            refused.value = {};
          }}
        >
          Undo changes
        </button>
        <span role="status" class="rmm-hint">
          {message.value}
        </span>
      </div>
    </form>
  );
}

function focusField(form: HTMLFormElement | null, key: string): void {
  const field = [...(form?.querySelectorAll<HTMLElement>("[data-key]") ?? [])].find((it) => it.dataset.key === key);
  field?.querySelector<HTMLElement>("input, select")?.focus();
}

/** The problems by key; a single one where the answer is none of `configure`. */
function readProblems(answer: unknown): Record<string, string> {
  const problems = typeof answer === "object" && answer !== null && "problems" in answer ? answer.problems : null;
  if (typeof problems !== "object" || problems === null) {
    return { "": "The kernel's answer was not understood. Look at the values again before you go on." };
  }
  return Object.fromEntries(
    Object.entries(problems).map(([key, problem]) => [key, cutText(String(problem), LONGEST_PROBLEM)]),
  );
}

function appliedWords(settings: readonly Setting[], config: Record<string, unknown>, isLoaded: boolean): string {
  const waiting = settings.filter((setting) => setting.at_load && Object.hasOwn(config, setting.key));
  if (!isLoaded || waiting.length === 0) {
    return "Applied.";
  }
  const names = waiting.map((setting) => setting.key.replaceAll("_", " ")).join(", ");
  return `Applied; ${names} at the next load.`;
}
