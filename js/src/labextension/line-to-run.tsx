/** The body of a dialog with a line that the user may copy into a cell. */
import { Widget } from "@lumino/widgets";
import { render } from "preact";
import { CopyLine } from "../views/copy-line";
import { followTheme } from "../views/theme";

export class LineToRun extends Widget {
  readonly #stopFollowing: () => void;

  constructor(words: string, line: string) {
    super();
    this.addClass("rmm-root");
    this.#stopFollowing = followTheme(this.node);
    render(
      <>
        <p class="rmm-line-words">{words}</p>
        <CopyLine line={line} />
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
