import type { PoolCounts } from '../render/warm-pool.js';

/** What is known of the parts and not told by sessions. */
export interface RouterGauges {
  readonly encoderFound: () => boolean;
  /** By reason. */
  readonly egressRefusals: () => Readonly<Record<string, number>>;
  /** Browsers that are kept ready. Default: there are none. */
  readonly pool?: (() => PoolCounts) | undefined;
}

export const NO_GAUGES: RouterGauges = { encoderFound: () => true, egressRefusals: () => ({}) };
