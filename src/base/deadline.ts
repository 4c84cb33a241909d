import type { Clock } from './clock.js';
import { asError } from './errors.js';

/**
 * Waits for `work`, but no longer than `limitMs`. What is late goes on by itself; a rejection is passed on only
 * while somebody waits.
 *
 * @returns whether it was done in time.
 */
export function settlesWithin(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(limitMs, () => resolve(false));
    work.then(
      () => {
        timer.cancel();
        resolve(true);
      },
      (thrown: unknown) => {
        timer.cancel();
        reject(asError(thrown));
      },
    );
  });
}
