import { StreamKitError } from './errors.js';

/** Does one piece of work after the other, in the order in which they came. One that fails does not keep the next from its turn. */
export class SerialQueue {
  readonly #limit: { readonly most: number; readonly sentence: string } | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #length = 0;

  /**
   * @param limit - most pieces that are done or wait, and what the refusal of one more says. Default: as many as come, for
   * callers that have a bound of their own.
   */
  constructor(limit?: { readonly most: number; readonly sentence: string }) {
    this.#limit = limit;
  }

  /**
   * @returns what the work gives, once it is its turn.
   * @throws StreamKitError `at_capacity` when too many wait already.
   */
  run<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#limit !== undefined && this.#length >= this.#limit.most) {
      throw new StreamKitError('at_capacity', this.#limit.sentence, { headers: { 'Retry-After': '1' } });
    }
    this.#length += 1;
    const done = this.#last.then(work);
    const leave = (): void => {
      this.#length -= 1;
    };
    this.#last = done.then(leave, leave);
    return done;
  }
}
