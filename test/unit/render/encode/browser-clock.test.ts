import { expect, it } from 'vitest';

import { BrowserClock } from '../../../../src/render/encode/browser-clock.js';

const HOUR_US = 3_600_000_000;
/** How long each of three chunks of sound was on its way, µs. */
const LATENCIES_US = [1_500, 9_000, 1_200];

it.each([0, HOUR_US, -HOUR_US])(
  'times of a browser are those at which they were, though the wall clock was set by %i µs since it started',
  (setByUs) => {
    const clock = new BrowserClock();
    const errorsUs = LATENCIES_US.map((latencyUs, index) => {
      const monotonicUs = 5_000_000 + index * 10_000;
      const wallUs = 1_700_000_000_000_000 + monotonicUs;
      const mappedUs = clock.monotonicUs(wallUs - latencyUs - setByUs, { monotonicUs, wallUs });
      return Math.abs(mappedUs - (monotonicUs - latencyUs));
    });
    // The shortest way counts as none where the clocks differ.
    expect(Math.max(...errorsUs)).toBeLessThanOrEqual(setByUs === 0 ? 0 : 1_500);
  },
);
