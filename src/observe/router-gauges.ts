import type { PreloadCounts } from '../render/capture/cache-preload.js';
import type { DeviceEncodings } from '../render/encode/encoder-seats.js';
import type { PoolCounts } from '../render/warm-pool.js';

/** What the warm pool has done. */
export interface PoolReport extends PoolCounts {
  /** Pages that were loaded ahead, and those that could not be. */
  readonly preloads: PreloadCounts;
}

/** What is known of the parts and not told by sessions. */
export interface RouterGauges {
  readonly encoderFound: () => boolean;
  /** By device of a hardware encoder. Default: there is none. */
  readonly deviceEncodings?: (() => readonly DeviceEncodings[]) | undefined;
  /** By reason. */
  readonly egressRefusals: () => Readonly<Record<string, number>>;
  /** Browsers that are kept ready. Default: there are none. */
  readonly pool?: (() => PoolReport) | undefined;
}

export const NO_GAUGES: RouterGauges = { encoderFound: () => true, egressRefusals: () => ({}) };
