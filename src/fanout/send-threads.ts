/** The rest of the machine is for browsers and encoders. */
const CORES_PER_THREAD = 2;
/** Some 3000 viewers of 1080p60; who has more sets the option. */
const MAX_AUTO_THREADS = 8;

/**
 * How many threads send media where the option says nothing.
 *
 * @param cores - that this process may use; may be a fraction
 */
export function sendThreadsFor(cores: number): number {
  return Math.max(1, Math.min(MAX_AUTO_THREADS, Math.floor(cores / CORES_PER_THREAD)));
}
