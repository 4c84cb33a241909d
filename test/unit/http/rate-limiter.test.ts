import { beforeEach, describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import { createCallerRates } from '../../../src/http/caller-rates.js';
import { MAX_REMEMBERED_CALLERS, RateLimiter } from '../../../src/http/rate-limiter.js';
import { anybody } from '../../helpers/session-fakes.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

let clock: VirtualClock;

beforeEach(() => {
  clock = new VirtualClock();
});

/** Seconds of `Retry-After`, or 0 where there was one to take. */
function take(limiter: RateLimiter, caller = 'a'): number {
  try {
    limiter.take(caller, 'signals');
    return 0;
  } catch (error) {
    if (!(error instanceof StreamKitError)) throw error;
    expect([error.code, error.status, error.message]).toEqual([
      'at_capacity',
      429,
      'Too many signals from this caller',
    ]);
    return Number(error.headers['Retry-After']);
  }
}

/** How many there are to take at once. */
function drain(limiter: RateLimiter, caller?: string): number {
  let taken = 0;
  while (take(limiter, caller) === 0) taken += 1;
  return taken;
}

describe('a rate limiter', () => {
  it('lets a burst through, then the rate', async () => {
    const limiter = new RateLimiter({ perSecond: 4, burst: 10 }, clock);
    expect(drain(limiter)).toBe(10);
    await clock.advance(249);
    expect(take(limiter)).toBe(1);
    await clock.advance(1);
    expect([take(limiter), take(limiter)]).toEqual([0, 1]);
    await clock.advance(1000);
    expect(drain(limiter)).toBe(4);
  });

  it('saves up no more than the burst', async () => {
    const limiter = new RateLimiter({ perSecond: 4, burst: 10 }, clock);
    take(limiter);
    await clock.advance(3_600_000);
    expect(drain(limiter)).toBe(10);
  });

  it('says when it is worth another try, and does not put it off for trying before', async () => {
    const limiter = new RateLimiter({ perSecond: 1 / 6, burst: 2 }, clock);
    expect(drain(limiter)).toBe(2);
    expect([take(limiter), take(limiter), take(limiter)]).toEqual([6, 6, 6]);
    await clock.advance(2500);
    expect(take(limiter)).toBe(4);
    await clock.advance(3500);
    expect(take(limiter)).toBe(0);
  });

  it('holds no caller up for another', () => {
    const limiter = new RateLimiter({ perSecond: 1, burst: 3 }, clock);
    expect(drain(limiter, 'a')).toBe(3);
    expect(drain(limiter, 'b')).toBe(3);
  });

  it('forgets who was not seen for longest, and no one else, when there are too many', () => {
    const limiter = new RateLimiter({ perSecond: 1, burst: 1 }, clock);
    take(limiter, 'first');
    take(limiter, 'second');
    for (let index = 2; index < MAX_REMEMBERED_CALLERS; index++) take(limiter, `caller ${index}`);
    // Being refused is being seen as well.
    expect(take(limiter, 'first')).toBe(1);
    take(limiter, 'one more');
    expect(take(limiter, 'first')).toBe(1);
    expect(take(limiter, 'caller 2')).toBe(1);
    expect(take(limiter, 'second')).toBe(0);
  });

  it('is none where there are no rates', () => {
    for (const [options, refused] of [
      [undefined, false],
      [
        {
          ...{ sessionsPerMinute: 2, signalsPerSecond: 1, joinsPerMinute: 1 },
          ...{ snapshotsPerMinute: 1, openRequests: 1 },
        },
        true,
      ],
    ] as const) {
      const rates = createCallerRates(options, clock);
      const takeAll = (): void => {
        for (let turn = 0; turn < 100; turn++) rates.takeSignal(anybody);
        for (let turn = 0; turn < 100; turn++) rates.takeSession(anybody);
      };
      if (refused) expect(takeAll).toThrow('Too many signals');
      else takeAll();
    }
  });
});
