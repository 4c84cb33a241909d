import { describe, expect, it } from 'vitest';

import { rtpTimestampOf } from '../../../src/base/rtp-clock.js';
import { compactNtp, MediaTime, roundTripMs } from '../../../src/fanout/media-time.js';
import { ManualClock } from './manual-clock.js';

describe('media time', () => {
  it('maps monotonic moments to NTP by one offset, taken once', () => {
    const clock = new ManualClock(5_000_000, 1_700_000_000_000);
    const time = new MediaTime(clock);
    expect(time.ntpOf(5_500_000)).toEqual({ seconds: 1_700_000_005 + 2_208_988_800, fraction: 2 ** 31 });
  });

  it('derives both RTP clocks from one origin, exactly, after years and over the wrap', () => {
    for (const us of [0, 1, 999_999, 47_721_858_844, 123_456_789_012_345, 3_000_000_000_000_000]) {
      for (const rate of [90_000, 48_000]) {
        const exact = Number(((BigInt(us) * BigInt(rate)) / 1_000_000n) % 2n ** 32n);
        expect(rtpTimestampOf(us, rate)).toBe(exact);
      }
    }
  });

  it('takes the round trip from LSR and DLSR, over the wrap of the compact time', () => {
    const sent = { seconds: 65_535, fraction: 2 ** 31 };
    const arrival = { seconds: 65_536, fraction: 0 };
    expect(roundTripMs(arrival, compactNtp(sent), 0.4 * 65_536)).toBeCloseTo(100, 1);
    expect(roundTripMs(arrival, 0, 0)).toBeUndefined();
    expect(roundTripMs(sent, compactNtp(arrival) || 1, 0)).toBeUndefined();
  });
});
