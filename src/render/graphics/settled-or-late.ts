import type { Clock, Timer } from '../../base/clock.js';

/** How long a launch waits until it is known how pages are drawn, ms: trials may take longer than a launch. */
export const GRAPHICS_WAIT_MS = 5_000;

/**
 * Waits until it is known how pages are drawn, but at most {@link GRAPHICS_WAIT_MS}: a session then starts as on a machine
 * without a GPU.
 *
 * @throws what the signal was aborted with.
 */
export async function settledOrLate(
  ready: Promise<void>,
  clock: Pick<Clock, 'after'>,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  let timer: Timer | undefined;
  let abort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = clock.after(GRAPHICS_WAIT_MS, resolve);
      abort = () => reject(signal.reason as Error);
      signal.addEventListener('abort', abort, { once: true });
      ready.then(resolve, reject);
    });
  } finally {
    timer?.cancel();
    if (abort !== undefined) signal.removeEventListener('abort', abort);
  }
}
