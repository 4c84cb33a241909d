import { afterEach, expect, it, vi } from 'vitest';

import { systemClock } from '../../../src/base/clock.js';

afterEach(() => vi.useRealTimers());

it.each([3_600_000, -3_600_000])(
  'a wall clock that is set by %i ms is followed, and moves no other time',
  (setByMs) => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const [wallMs, nowUs] = [systemClock.wallMs(), systemClock.nowUs()];
    vi.setSystemTime(Date.now() + setByMs);
    expect(systemClock.wallMs() - wallMs).toBe(setByMs);
    const passedUs = systemClock.nowUs() - nowUs;
    expect(passedUs).toBeGreaterThanOrEqual(0);
    expect(passedUs).toBeLessThan(Math.abs(setByMs) * 1000);
  },
);
