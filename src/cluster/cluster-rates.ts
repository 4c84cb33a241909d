import type { KeyObject } from 'node:crypto';

import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import { withTimeout } from '../base/with-timeout.js';
import type { SharedRates } from '../http/caller-rates.js';
import type { RateLimit } from '../http/rate-limiter.js';
import { AloneNotice } from './alone-notice.js';
import type { ClusterDirectory } from './directory.js';
import { COUNT_TIMEOUT_MS } from './directory.js';
import { directoryName } from './directory-name.js';
import type { Membership } from './membership.js';

export interface ClusterRatesParameters {
  readonly directory: Pick<ClusterDirectory, 'takeToken'>;
  readonly membership: Pick<Membership, 'isAway'>;
  /** Of the cluster. */
  readonly secret: KeyObject;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a request waits for the directory, ms; default: {@link COUNT_TIMEOUT_MS}. */
  readonly timeoutMs?: number | undefined;
}

/** What callers do at all nodes together. While the directory is away, each node counts alone. */
export class ClusterRates implements SharedRates {
  readonly #parameters: ClusterRatesParameters;
  readonly #notice: AloneNotice;

  constructor(parameters: ClusterRatesParameters) {
    this.#parameters = parameters;
    const sentence = 'rates count at this node alone: the directory of the cluster cannot be reached';
    this.#notice = new AloneNotice(sentence, parameters.logger, parameters.clock);
  }

  /** As {@link SharedRates.take}. Never rejects. */
  async take(bucket: string, caller: string, limit: RateLimit): Promise<number | undefined> {
    const { directory, membership, secret, timeoutMs = COUNT_TIMEOUT_MS } = this.#parameters;
    try {
      if (membership.isAway) throw new Error('The directory is away');
      const taking = directory.takeToken(`${bucket}:${directoryName(secret, caller)}`, limit);
      const waitMs = await withTimeout(taking, timeoutMs);
      this.#notice.isAlone = false;
      return waitMs;
    } catch {
      this.#notice.isAlone = true;
      return undefined;
    }
  }
}
