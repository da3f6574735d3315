/** Draws one more portion of a long list. */

interface ButtonProps {
  /** What the list is of. */
  readonly noun: string;
  readonly left: number;
  onMore(): void;
}

export function MoreButton({ noun, left, onMore }: ButtonProps) {
  return (
    <button type="button" class="rmm-button" onClick={onMore}>
      Show more {noun} ({left} left)
    </button>
  );
}
