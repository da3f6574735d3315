/** Things by their key, of which only those that were asked for last are kept. */
export class Recent<T> {
  readonly #things = new Map<string, T>();
  readonly #most: number;
  readonly #make: () => T;

  /** @param most how many are kept */
  constructor(most: number, make: () => T) {
    this.#most = most;
    this.#make = make;
  }

  /** The thing of that key, a new one where there is none. */
  of(key: string): T {
    const thing = this.#things.get(key) ?? this.#make();
    this.#things.delete(key);
    this.#things.set(key, thing);
    for (const oldest of [...this.#things.keys()].slice(0, -this.#most)) {
      this.#things.delete(oldest);
    }
    return thing;
  }
}
