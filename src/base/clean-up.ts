import { asError } from './errors.js';
import type { Logger } from './logger.js';

/**
 * Waits for what is cleaned up after something else has failed or ended. Never rejects: why that failed says more than why this
 * did, which is logged at `debug`.
 *
 * @param what - is being cleaned up, as the log names it; no secret.
 */
export async function cleanUp(
  work: PromiseLike<unknown> | undefined,
  what: string,
  logger: Logger,
): Promise<void> {
  try {
    await work;
  } catch (thrown) {
    logger.debug({ err: asError(thrown), what }, 'something could not be cleaned up');
  }
}
