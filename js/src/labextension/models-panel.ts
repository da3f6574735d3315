/** The side panel as a widget of JupyterLab: looks at the models' link while it can be seen. */
import type { TranslationBundle } from "@jupyterlab/translation";
import type { IDisposable } from "@lumino/disposable";
import type { Message } from "@lumino/messaging";
import { Widget } from "@lumino/widgets";
import { createElement, render } from "preact";
import type { CodePlace } from "../views/code-place";
import { icon } from "./icon";
import { KernelMemories } from "./kernel-memories";
import { noRequest, type PanelRequest } from "./panel-requests";
import { PanelView } from "./panel-view";
import type { IModelsLink } from "./tokens";

/** Milliseconds that a hidden view stays: where its theme changes, JupyterLab hides everything for a moment. */
const GRACE = 1_000;

export class ModelsPanel extends Widget {
  readonly #link: IModelsLink;
  readonly #trans: TranslationBundle;
  readonly #request = noRequest();
  readonly #codePlace: CodePlace;
  readonly #memories = new KernelMemories();
  #look: IDisposable | null = null;
  #hiding: ReturnType<typeof setTimeout> | undefined;

  constructor(link: IModelsLink, codePlace: CodePlace, trans: TranslationBundle) {
    super();
    this.#codePlace = codePlace;
    this.#link = link;
    this.#trans = trans;
    this.id = "rmm-widgets-models";
    this.addClass("rmm-SidePanel");
    this.title.icon = icon;
    this.title.caption = trans.__("Models");
    this.node.setAttribute("role", "region");
    this.node.setAttribute("aria-label", trans.__("Models"));
    document.addEventListener("visibilitychange", this.#onVisible);
  }

  /** Shows this as soon as there are models; what was asked for before is forgotten. */
  ask(request: PanelRequest | null): void {
    this.#request.value = request;
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    document.removeEventListener("visibilitychange", this.#onVisible);
    this.#close();
    super.dispose();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.#onVisible();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.#onVisible();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.#onVisible();
  }

  protected override onBeforeDetach(message: Message): void {
    super.onBeforeDetach(message);
    this.#close();
  }

  /** The view is there while it can be seen only: what it draws and asks costs page and kernel something. */
  readonly #onVisible = (): void => {
    clearTimeout(this.#hiding);
    if (this.isVisible && document.visibilityState === "visible") {
      this.#look ??= this.#link.look();
      const props = { link: this.#link, trans: this.#trans, codePlace: this.#codePlace };
      render(createElement(PanelView, { ...props, request: this.#request, memories: this.#memories }), this.node);
    } else if (this.isVisible) {
      this.#unlook(); // Behind another tab of the browser the view stays: it is seen again at once.
    } else {
      this.#unlook();
      this.#hiding = setTimeout(() => this.#close(), GRACE);
    }
  };

  #unlook(): void {
    this.#look?.dispose();
    this.#look = null;
  }

  #close(): void {
    clearTimeout(this.#hiding);
    this.#request.value = null;
    render(null, this.node);
    this.#unlook();
  }
}
