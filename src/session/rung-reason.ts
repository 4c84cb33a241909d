import type { RungReason } from '../protocol/session-diagnostics.js';
import type { Rung } from '../fanout/rung-planner.js';
import type { ViewerBound } from '../protocol/viewer-bounds.js';
import { lowestOf, type ViewerLimits } from './viewer-limits.js';

/** What bounds one viewer. */
export interface RungLimits extends ViewerLimits {
  /** What its link is proven to carry of what it may have, bits/s of pictures. */
  readonly provenBps: number;
}

/** A rung is this share of what a viewer could have, or less, before something else than the link or a bound is the reason. */
const NEAR_SHARE = 0.7;

export function rungReason(rung: Rung, source: Rung, { provenBps, ...limits }: RungLimits): RungReason {
  const { wishes, bounds } = limits;
  const { maxHeight, maxBitrateBps } = lowestOf(limits);
  const whose = (key: ViewerBound): RungReason =>
    (bounds[key] ?? Infinity) < (wishes[key] ?? Infinity) ? 'bound' : 'wish';
  if (rung.frameRate === 1 && source.frameRate > 1) return 'slides';
  if (rung.height >= source.height && rung.bitrateBps >= source.bitrateBps) return 'full';
  if (maxHeight < source.height && rung.height > maxHeight * NEAR_SHARE) return whose('maxHeight');
  if (rung.bitrateBps < Math.min(provenBps, source.bitrateBps) * NEAR_SHARE) return 'shared';
  return maxBitrateBps <= provenBps ? whose('maxBitrateBps') : 'link';
}
