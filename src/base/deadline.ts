import type { Clock } from './clock.js';
import { asError } from './errors.js';
import { TimeoutError } from './with-timeout.js';

/** How long a function of the application may take, ms: a viewer waits for a picture meanwhile. */
const HOOK_TIMEOUT_MS = 5000;

/** Resolves after `ms`. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}

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

/**
 * Asks a function of the application.
 *
 * @throws what `ask` throws; Error that contains `name` if the answer takes longer than 5 s.
 */
export async function answerOf<T>(clock: Clock, name: string, ask: () => T | Promise<T>): Promise<T> {
  let answer: { readonly value: T } | undefined;
  const asked = Promise.resolve()
    .then(ask)
    .then((value) => void (answer = { value }));
  await settlesWithin(clock, HOOK_TIMEOUT_MS, asked);
  if (answer === undefined) throw new Error(`Expected an answer from ${name} within ${HOOK_TIMEOUT_MS} ms`);
  return answer.value;
}

/**
 * Does `work` under a signal that aborts with `signal`, by its reason, and after `limitMs`. The timer is held until then:
 * a signal of `AbortSignal.timeout` that only `AbortSignal.any` knows may be collected as garbage, and then never
 * aborts (nodejs/node#57736).
 *
 * @throws what `work` throws.
 */
export async function abortingAfter<T>(
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
  work: (until: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const leave = (): void => deadline.abort(signal.reason);
  const timer = clock.after(limitMs, () => deadline.abort(new TimeoutError(limitMs)));
  signal.addEventListener('abort', leave, { once: true });
  if (signal.aborted) leave();
  try {
    return await work(deadline.signal);
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', leave);
  }
}
