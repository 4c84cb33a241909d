import type { Clock } from '../base/clock.js';
import { settlesWithin } from '../base/deadline.js';

/** How long a hook of the application may take, ms. */
export const HOOK_TIMEOUT_MS = 5000;

/** What a hook of the application answers. @throws what it throws; Error that names it if it takes too long. */
export async function answered<T>(clock: Clock, name: string, ask: () => T | Promise<T>): Promise<T> {
  let answer: { readonly value: T } | undefined;
  const asked = Promise.resolve()
    .then(ask)
    .then((value) => void (answer = { value }));
  await settlesWithin(clock, HOOK_TIMEOUT_MS, asked);
  if (answer === undefined) throw new Error(`Expected an answer of ${name} within ${HOOK_TIMEOUT_MS} ms`);
  return answer.value;
}
