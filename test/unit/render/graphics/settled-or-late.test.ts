import { describe, expect, it } from 'vitest';

import { settledOrLate } from '../../../../src/render/graphics/settled-or-late.js';
import { settle, VirtualClock } from '../../../helpers/virtual-clock.js';

const never = new Promise<void>(() => undefined);

describe('a launch that waits until it is known how pages are drawn', () => {
  it('goes on after five seconds', async () => {
    const clock = new VirtualClock();
    let isOver = false;
    const waiting = settledOrLate(never, clock, new AbortController().signal).then(() => (isOver = true));
    await clock.advance(4_999);
    expect(isOver).toBe(false);
    await clock.advance(1);
    expect(isOver).toBe(true);
    await waiting;
  });

  it('goes on at once where it is known', async () => {
    const clock = new VirtualClock();
    await settledOrLate(Promise.resolve(), clock, new AbortController().signal);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is given up with its session', async () => {
    const clock = new VirtualClock();
    const aborting = new AbortController();
    const waiting = settledOrLate(never, clock, aborting.signal);
    const outcome = expect(waiting).rejects.toThrow('the session was ended');
    await settle();
    aborting.abort(new Error('the session was ended'));
    await outcome;
    expect(clock.pendingTimers).toBe(0);
    await expect(settledOrLate(never, clock, aborting.signal)).rejects.toThrow('the session was ended');
  });
});
