/** Puts code into notebooks, always as text of a new cell that nobody has run. */
import type { INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";
import { MimeData } from "@lumino/coreutils";
import { Drag } from "@lumino/dragdrop";
import type { CodePlace } from "../views/code-place";
import type { IModelsLink } from "./tokens";

/** What notebooks take when it is dropped on them. */
const CELLS = "application/vnd.jupyter.cells";

export class NotebookCode implements CodePlace {
  readonly #link: Pick<IModelsLink, "target">;
  readonly #notebooks: Pick<INotebookTracker, "has">;
  #drag: Drag | null = null;

  constructor(link: Pick<IModelsLink, "target">, notebooks: Pick<INotebookTracker, "has">) {
    this.#link = link;
    this.#notebooks = notebooks;
  }

  insert(code: string): boolean {
    const target = this.#link.target;
    if (!target || !this.#notebooks.has(target)) {
      return false;
    }
    const notebook = (target as NotebookPanel).content;
    if (!notebook.model || notebook.model.readOnly) {
      return false;
    }
    const index = notebook.activeCellIndex + 1;
    notebook.model.sharedModel.insertCell(index, codeCell(code));
    notebook.deselectAll();
    notebook.activeCellIndex = index;
    void notebook.scrollToItem(index);
    return true;
  }

  drag(code: string, label: string, { clientX, clientY }: { clientX: number; clientY: number }): void {
    const mimeData = new MimeData();
    mimeData.setData(CELLS, [codeCell(code)]);
    mimeData.setData("text/plain", code);
    this.#drag?.dispose();
    const drag = new Drag({
      mimeData,
      dragImage: dragImage(label),
      supportedActions: "copy",
      proposedAction: "copy",
      source: this,
    });
    this.#drag = drag;
    void drag.start(clientX, clientY).then(() => drag.dispose());
  }
}

/** Trusted, as cells are that a user makes: it has no output that would need trust. */
function codeCell(source: string) {
  return { cell_type: "code", source, metadata: { trusted: true }, outputs: [], execution_count: null };
}

function dragImage(label: string): HTMLElement {
  const image = document.createElement("div");
  image.className = "rmm-SidePanel-drag";
  image.textContent = label;
  return image;
}
