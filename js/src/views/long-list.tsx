/** A list that may be very long: then what matters comes first, and the rest is drawn in portions. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Row } from "../protocol/schema";
import { MoreButton } from "./more-button";

/** Rows drawn at first, and more with each press of the button. */
const PORTION = 100;

interface ListProps {
  readonly rows: readonly Row[];
  /** Whether a row comes first where there are too many to draw all. */
  matters(row: Row): boolean;
  children(row: Row): ComponentChildren;
}

export function LongList({ rows, matters, children }: ListProps) {
  const most = useSignal(PORTION);
  if (rows.length <= most.value) {
    return rows.map(children);
  }
  const ordered = [...rows.filter(matters), ...rows.filter((row) => !matters(row))];
  return (
    <>
      {ordered.slice(0, most.value).map(children)}
      <li>
        <MoreButton noun="models" total={rows.length} most={most} portion={PORTION} />
      </li>
    </>
  );
}
