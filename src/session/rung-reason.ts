import type { RungReason } from '../protocol/session-diagnostics.js';
import type { Rung } from '../fanout/rung-planner.js';

/** What bounds one viewer. */
export interface RungLimits {
  /** What its link is proven to carry of what it wants, bits/s of pictures. */
  readonly provenBps: number;
  readonly maxHeight?: number | undefined;
  readonly maxBitrateBps?: number | undefined;
}

/** A rung is this share of what a viewer could have, or less, before something else than the link or a wish is the reason. */
const NEAR_SHARE = 0.7;

export function rungReason(
  rung: Rung,
  source: Rung,
  { provenBps, maxHeight = Infinity, maxBitrateBps = Infinity }: RungLimits,
): RungReason {
  if (rung.frameRate === 1 && source.frameRate > 1) return 'slides';
  if (rung.height >= source.height && rung.bitrateBps >= source.bitrateBps) return 'full';
  if (maxHeight < source.height && rung.height > maxHeight * NEAR_SHARE) return 'wish';
  if (rung.bitrateBps < Math.min(provenBps, source.bitrateBps) * NEAR_SHARE) return 'shared';
  return maxBitrateBps <= provenBps ? 'wish' : 'link';
}
