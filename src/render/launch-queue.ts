/** Turns for what a machine should not do many times at once: so many at the same time, the others in order. */
export class LaunchQueue {
  readonly #atOnce: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /**
   * Waits for a turn.
   *
   * @param signal - gives it up; the promise rejects with its reason.
   * @returns what ends the turn. Idempotent.
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    if (this.#running >= this.#atOnce) await this.#turn(signal);
    else this.#running += 1;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      const next = this.#waiting.shift();
      // The turn passes on, or else there is one more.
      if (next === undefined) this.#running -= 1;
      else next();
    };
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        reject(signal.reason as Error);
      };
      const take = (): void => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.push(take);
    });
  }
}
