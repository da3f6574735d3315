/** What stands above the table: its filters and the choice of columns. */
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import type { ModelStatus, ModelType, Row } from "../protocol/schema";
import type { Arrangement } from "./arrangement";
import { ColumnsMenu } from "./columns-menu";
import { words } from "./format";
import { prepare } from "./row-filter";

const STATUSES: readonly ModelStatus[] = ["not_downloaded", "downloading", "downloaded", "loading", "loaded", "error"];

interface ToolsProps {
  readonly arrangement: Arrangement;
  /** All rows of the view, whatever the filters leave. */
  readonly all: readonly Row[];
}

export function TableTools({ arrangement, all }: ToolsProps) {
  const { text, type, status } = arrangement.filter.value;
  const shown = arrangement.rows.value.length;
  // Not with every keystroke: there may be ten thousand rows.
  const types = useMemo(() => [...new Set(all.map((row) => row.type))].sort(), [all]);
  return (
    <div class="rmm-tools rmm-table-tools">
      <input
        class="rmm-input"
        type="search"
        aria-label="Filter models"
        placeholder="Filter models"
        value={text}
        onFocus={() => prepare(all)}
        onInput={(event) => arrangement.setFilter({ text: event.currentTarget.value })}
      />
      <Choice
        label="Type"
        value={type}
        onChoose={(chosen) => arrangement.setFilter({ type: chosen as ModelType | "" })}
      >
        <option value="">All types</option>
        {(type && !types.includes(type) ? [...types, type] : types).map((each) => (
          <option key={each} value={each}>
            {words(each)}
          </option>
        ))}
      </Choice>
      <Choice
        label="Status"
        value={status}
        onChoose={(chosen) => arrangement.setFilter({ status: chosen as ModelStatus | "" })}
      >
        <option value="">Any status</option>
        {STATUSES.map((each) => (
          <option key={each} value={each}>
            {words(each)}
          </option>
        ))}
      </Choice>
      <ColumnsMenu arrangement={arrangement} />
      {arrangement.isFiltered && (
        <span class="rmm-small rmm-shown-count">
          {shown.toLocaleString()} of {all.length.toLocaleString()}
        </span>
      )}
    </div>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  onChoose(value: string): void;
  readonly children: ComponentChildren;
}

function Choice({ label, value, onChoose, children }: ChoiceProps) {
  return (
    <select
      class="rmm-input rmm-select"
      aria-label={label}
      data-chosen={value !== "" || undefined}
      value={value}
      onChange={(event) => onChoose(event.currentTarget.value)}
    >
      {children}
    </select>
  );
}
