/** One setting as a field: its control, the model's own choice, the default, and what is wrong. */
import type { Setting } from "../../protocol/schema";
import { cutText } from "../cut-text";
import { useUniqueId } from "../unique-id";
import { type Draft, draftOf, isEqual, ownDraft, valueWords } from "./settings-draft";

const LONGEST_DEFAULT = 60;

interface FieldProps {
  readonly setting: Setting;
  readonly draft: Draft;
  readonly problem: string | undefined;
  readonly changed: boolean;
  onDraft(draft: Draft): void;
}

export function SettingField({ setting, draft, problem, changed, onDraft }: FieldProps) {
  const id = useUniqueId();
  const label = setting.key.replaceAll("_", " ");
  const isDefault = isEqual(draft, draftOf(setting, setting.default));
  const control: ControlProps = {
    setting,
    draft,
    id,
    describedBy: problem ? `${id}-problem ${id}-note` : `${id}-note`,
    isInvalid: problem !== undefined,
    onDraft,
  };
  return (
    <div class="rmm-field" data-changed={changed || undefined} data-key={setting.key}>
      {setting.kind === "size" ? (
        <span class="rmm-field-label" id={`${id}-label`}>
          {label}
        </span>
      ) : (
        <label class="rmm-field-label" for={id}>
          {label}
        </label>
      )}
      <div class="rmm-field-controls">
        {draft !== null && <Control {...control} />}
        {setting.optional && (
          <label class="rmm-setting-check">
            <input
              // Where it is the only control, it is the one that the label names.
              id={draft === null && setting.kind !== "size" ? id : undefined}
              type="checkbox"
              aria-label={`${label}: the model's own`}
              aria-describedby={control.describedBy}
              checked={draft === null}
              onChange={(event) => onDraft(event.currentTarget.checked ? null : ownDraft(setting))}
            />
            the model's own
          </label>
        )}
        <button
          type="button"
          class="rmm-button rmm-reset"
          aria-label={`Reset ${label}`}
          aria-disabled={isDefault}
          onClick={() => {
            if (!isDefault) {
              onDraft(draftOf(setting, setting.default));
            }
          }}
        >
          Reset
        </button>
      </div>
      <div class="rmm-field-note" id={`${id}-note`}>
        {setting.note && <span>{setting.note} </span>}
        <span>Default: {cutText(valueWords(setting.default), LONGEST_DEFAULT)}.</span>
        {setting.at_load && <span> Takes effect at the next load.</span>}
      </div>
      {problem && (
        <div class="rmm-field-problem" id={`${id}-problem`}>
          {problem}
        </div>
      )}
    </div>
  );
}

interface ControlProps {
  readonly setting: Setting;
  readonly draft: Draft;
  readonly id: string;
  readonly describedBy: string;
  readonly isInvalid: boolean;
  onDraft(draft: Draft): void;
}

function Control({ setting, draft, id, describedBy, isInvalid, onDraft }: ControlProps) {
  const shared = { id, "aria-describedby": describedBy, "aria-invalid": isInvalid };
  if (typeof draft === "object" && draft !== null) {
    return <SizeControl setting={setting} draft={draft} id={id} shared={shared} onDraft={onDraft} />;
  }
  const text = typeof draft === "string" ? draft : "";
  switch (setting.kind) {
    case "flag":
      return (
        <span class="rmm-setting-check">
          <input
            {...shared}
            type="checkbox"
            checked={draft === true}
            onChange={(event) => onDraft(event.currentTarget.checked)}
          />
        </span>
      );
    case "choice":
      return (
        <select {...shared} class="rmm-input" value={text} onChange={(event) => onDraft(event.currentTarget.value)}>
          {!setting.choices.includes(text) && <option value={text}>{text}</option>}
          {setting.choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      );
    case "text":
      return (
        <input
          {...shared}
          class="rmm-input"
          type="text"
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={(event) => onDraft(event.currentTarget.value)}
        />
      );
    default:
      return <NumberInput shared={shared} setting={setting} text={text} onText={onDraft} />;
  }
}

type Shared = Record<string, string | boolean>;

function SizeControl(props: {
  setting: Setting;
  draft: readonly [string, string];
  id: string;
  shared: Shared;
  onDraft(draft: Draft): void;
}) {
  const { setting, draft, id, shared, onDraft } = props;
  const [height, width] = draft;
  return (
    <fieldset class="rmm-size" aria-labelledby={`${id}-label`}>
      <NumberInput
        shared={{ ...shared, "aria-label": "Height" }}
        setting={setting}
        text={height}
        onText={(text) => onDraft([text, width])}
      />
      <span aria-hidden="true">×</span>
      <NumberInput
        shared={{ ...shared, id: `${id}-width`, "aria-label": "Width" }}
        setting={setting}
        text={width}
        onText={(text) => onDraft([height, text])}
      />
    </fieldset>
  );
}

function NumberInput(props: { shared: Shared; setting: Setting; text: string; onText(text: string): void }) {
  const { shared, setting, text, onText } = props;
  return (
    <input
      {...shared}
      class="rmm-input rmm-number"
      type="number"
      min={setting.minimum ?? undefined}
      max={setting.maximum ?? undefined}
      step={setting.kind === "number" ? "any" : 1}
      value={text}
      onInput={(event) => onText(event.currentTarget.value)}
    />
  );
}
