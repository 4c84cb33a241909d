import { StreamError } from './stream-error.js';

/**
 * Does work that a signal of its own aborts: when `signal` is aborted, or after `timeoutMs`. A request into a network
 * that swallows everything would otherwise stay under way for minutes.
 *
 * @throws StreamError `network` after the timeout, else what the work throws.
 */
export async function withTimeout<Result>(
  timeoutMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const abort = new AbortController();
  const late = new StreamError('network', `The server did not answer within ${timeoutMs / 1000} s`);
  const timer = setTimeout(() => abort.abort(late), timeoutMs);
  const cancel = (): void => abort.abort(signal.reason);
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel);
  try {
    return await work(abort.signal);
  } catch (thrown) {
    throw abort.signal.reason === late ? late : thrown;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', cancel);
  }
}
