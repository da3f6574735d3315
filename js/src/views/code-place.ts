/** Where code for a model can go: a notebook of the host, in which the user sees it before anything runs. */

export interface CodePlace {
  /** Puts it into a new cell below the active one; false where there is no notebook for it. */
  insert(code: string): boolean;
  /** Begins to drag it from where the pointer is. */
  drag(code: string, label: string, at: { readonly clientX: number; readonly clientY: number }): void;
}
