/**
 * Which drawn row takes which element.
 *
 * A row that comes into sight takes the element of one that has left: its text changes, nothing is built. Elements stand
 * in the order of their rows, so one that is taken is moved, and what is moved loses the focus.
 */
export class RowSlots {
  #slots: ReadonlyMap<string, number> = new Map();
  #next = 0;

  /**
   * The slots of the rows drawn now, by place.
   *
   * @param mayMove false while the focus is in one of the rows: then a new one gets an element of its own
   */
  assign(ids: readonly string[], mayMove: boolean): number[] {
    const before = this.#slots;
    const drawn = new Set(ids);
    const free = mayMove ? [...before].filter(([id]) => !drawn.has(id)).map(([, slot]) => slot) : [];
    free.reverse();
    const slots = ids.map((id) => before.get(id) ?? free.pop() ?? this.#new());
    this.#slots = new Map(ids.map((id, at) => [id, slots[at] as number]));
    return slots;
  }

  #new(): number {
    this.#next += 1;
    return this.#next;
  }
}
