import { expect, it } from 'vitest';

import { rungReason } from '../../../src/session/rung-reason.js';
import { lowestOf, type ViewerWishes } from '../../../src/session/viewer-limits.js';

/** The wishes of a viewer, what it is allowed, and what its link is proven to carry. */
interface Limits extends ViewerWishes {
  readonly provenBps: number;
  readonly bounds?: ViewerWishes;
}

const source = { width: 1280, height: 720, frameRate: 30, bitrateBps: 4_000_000 };
const small = { width: 640, height: 360, frameRate: 30, bitrateBps: 1_000_000 };
const slow = { ...source, bitrateBps: 1_500_000 };

it.each([
  ['full', 'what all get', source, { provenBps: 9e6 }],
  ['full', 'what all get, though it wants no more', source, { provenBps: 9e6, maxHeight: 720 }],
  ['link', 'as much as its link carries', small, { provenBps: 1.2e6 }],
  ['wish', 'as many lines as it wants', small, { provenBps: 9e6, maxHeight: 360 }],
  ['wish', 'as many bits as it wants', slow, { provenBps: 9e6, maxBitrateBps: 1.6e6 }],
  ['bound', 'as many lines as it is allowed', small, { provenBps: 9e6, bounds: { maxHeight: 360 } }],
  [
    'bound',
    'fewer lines than it wants',
    small,
    { provenBps: 9e6, maxHeight: 480, bounds: { maxHeight: 360 } },
  ],
  [
    'wish',
    'fewer lines than it may have',
    small,
    { provenBps: 9e6, maxHeight: 360, bounds: { maxHeight: 480 } },
  ],
  ['bound', 'as many bits as it is allowed', slow, { provenBps: 9e6, bounds: { maxBitrateBps: 1.6e6 } }],
  [
    'link',
    'as much as its link carries of what it may have',
    small,
    { provenBps: 1.2e6, bounds: { maxBitrateBps: 2e6 } },
  ],
  ['shared', 'less than its link carries, since there is no rung between', small, { provenBps: 3e6 }],
  ['slides', 'one picture per second', { ...small, frameRate: 1, bitrateBps: 60_000 }, { provenBps: 1e5 }],
])('the reason is %j for a viewer that gets %s', (reason, _what, rung, limits: Limits) => {
  const { bounds = {}, provenBps, ...wishes } = limits;
  // A bound on the bit rate bounds what a link has to prove as well.
  const wantedBps = lowestOf({ wishes, bounds }).maxBitrateBps;
  expect(rungReason(rung, source, { wishes, bounds, provenBps: Math.min(provenBps, wantedBps) })).toBe(
    reason,
  );
});
