import type { Logger } from '../base/logger.js';
import { withTimeout } from '../base/with-timeout.js';
import type { SharedRates } from '../http/caller-rates.js';
import type { RateLimit } from '../http/rate-limiter.js';
import { digestOf } from './cluster-seats.js';
import type { ClusterDirectory } from './directory.js';
import { COUNT_TIMEOUT_MS } from './directory.js';
import type { Membership } from './membership.js';

export interface ClusterRatesParameters {
  readonly directory: Pick<ClusterDirectory, 'takeToken'>;
  readonly membership: Pick<Membership, 'isAway'>;
  readonly logger: Logger;
}

/** What callers do at all nodes together. While the directory is away, each node counts alone. */
export class ClusterRates implements SharedRates {
  readonly #parameters: ClusterRatesParameters;
  #isAlone = false;

  constructor(parameters: ClusterRatesParameters) {
    this.#parameters = parameters;
  }

  /** As {@link SharedRates.take}. Never rejects. */
  async take(bucket: string, caller: string, limit: RateLimit): Promise<number | undefined> {
    const { directory, membership, logger } = this.#parameters;
    try {
      if (membership.isAway) throw new Error('The directory is away');
      const taking = directory.takeToken(`${bucket}:${digestOf(caller)}`, limit);
      const waitMs = await withTimeout(taking, COUNT_TIMEOUT_MS);
      this.#isAlone = false;
      return waitMs;
    } catch {
      if (!this.#isAlone) {
        logger.warn({}, 'rates count at this node alone: the directory of the cluster cannot be reached');
      }
      this.#isAlone = true;
      return undefined;
    }
  }
}
