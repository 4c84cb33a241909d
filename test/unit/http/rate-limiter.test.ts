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

  it('is none where there are no rates', async () => {
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
      const takeAll = async (): Promise<void> => {
        for (let turn = 0; turn < 100; turn++) await rates.takeSignal(anybody);
        for (let turn = 0; turn < 100; turn++) await rates.takeSession(anybody);
      };
      if (refused) await expect(takeAll()).rejects.toThrow('Too many signals');
      else await takeAll();
    }
  });

  it('counts what other servers count, and alone while they cannot be asked', async () => {
    let waitMs: number | undefined = 1500;
    const asked: unknown[] = [];
    const shared = { take: (...given: unknown[]) => Promise.resolve((asked.push(given), waitMs)) };
    const few = { sessionsPerMinute: 2, signalsPerSecond: 1, joinsPerMinute: 2 };
    const rates = createCallerRates({ ...few, snapshotsPerMinute: 1, openRequests: 1 }, clock, shared);
    const caller = { ...anybody, role: 'owner' as const };
    for (let turn = 0; turn < 3; turn++) {
      await expect(rates.takeJoin(caller)).rejects.toMatchObject({
        code: 'at_capacity',
        headers: { 'Retry-After': '2' },
      });
    }
    expect(rates.refused.joins).toBe(3);
    expect(asked[0]).toEqual(['joins', caller.key, { perSecond: 2 / 60, burst: 2 }]);
    // What others have refused was not taken here.
    waitMs = undefined;
    await rates.takeJoin(caller);
    await rates.takeJoin(caller);
    await expect(rates.takeJoin(caller)).rejects.toThrow('Too many joins');
    // Whoever is over the rate here costs the others nothing.
    expect(asked).toHaveLength(5);
  });
});
