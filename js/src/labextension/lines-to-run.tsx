/** The body of a dialog with lines that the user may copy into a cell. */
import { Widget } from "@lumino/widgets";
import { render } from "preact";
import { CopyLine } from "../views/copy-line";
import { followTheme } from "../views/theme";

export class LinesToRun extends Widget {
  readonly #stopFollowing: () => void;

  constructor(words: string, lines: string) {
    super();
    this.addClass("rmm-root");
    this.addClass("rmm-LinesToRun");
    this.#stopFollowing = followTheme(this.node);
    render(
      <>
        <p class="rmm-lines-words">{words}</p>
        <CopyLine line={lines} />
      </>,
      this.node,
    );
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.#stopFollowing();
      render(null, this.node);
    }
    super.dispose();
  }
}
