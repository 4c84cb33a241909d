/** How many use something at this moment. */
export class UseCount {
  readonly #onReleased: () => void;
  #users = 0;

  /** @param onReleased - one of them has gone. */
  constructor(onReleased: () => void) {
    this.#onReleased = onReleased;
  }

  get isUsed(): boolean {
    return this.#users > 0;
  }

  /** @returns what says that it is gone; once. */
  hold(): () => void {
    this.#users += 1;
    return () => {
      this.#users -= 1;
      this.#onReleased();
    };
  }
}
