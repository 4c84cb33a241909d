import { asError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { unlessAborted } from '../base/unless-aborted.js';
import type { Render } from './render.js';
import type { Spare, WarmPool } from './warm-pool.js';

/** A spare that can be asked whether it is still of use. */
export interface CheckedSpare extends Spare {
  /** Rejects if it is not, or does not say so in time. */
  check(): Promise<void>;
}

/**
 * Opens a render in a spare that was taken from the pool, and tells the pool what became of it.
 *
 * @param open - `onLaunched` is called when something of the session is in the browser. It closes the spare if it fails.
 * @returns undefined if the spare is lost before: it is closed then, and another browser can be launched.
 */
export async function openWarmRender<T extends CheckedSpare>(
  spare: T,
  pool: Pick<WarmPool<T>, 'used' | 'wasted'>,
  open: (onLaunched: () => void) => Promise<Render>,
  signal: AbortSignal,
  logger: Logger,
): Promise<Render | undefined> {
  const reached = { launch: false };
  try {
    await unlessAborted(spare.check(), signal);
    const render = await open(() => {
      reached.launch = true;
    });
    pool.used();
    return render;
  } catch (error) {
    if (reached.launch) {
      // What failed is the page.
      pool.used();
      throw error;
    }
    const ended = pool.wasted(spare);
    if (signal.aborted) {
      await ended;
      throw error;
    }
    logger.warn({ err: asError(error) }, 'a browser that was ready is lost: another one is launched');
    return undefined;
  }
}
