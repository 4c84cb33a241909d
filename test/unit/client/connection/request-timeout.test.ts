import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { withTimeout } from '../../../../src/client/connection/request-timeout.js';

/** A request into a network that swallows it. */
const never = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

it('gives up what takes too long, with an error that may be tried again', async () => {
  const result = expect(withTimeout(5000, new AbortController().signal, never)).rejects.toMatchObject({
    code: 'network',
    retryable: true,
  });
  await vi.advanceTimersByTimeAsync(5000);
  await result;
});

it('passes an abort on and leaves no timer behind', async () => {
  const abort = new AbortController();
  const result = expect(withTimeout(5000, abort.signal, never)).rejects.toThrow('aborted');
  abort.abort();
  await result;
});
