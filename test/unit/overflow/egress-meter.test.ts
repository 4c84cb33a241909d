import { expect, it } from 'vitest';

import { EgressMeter } from '../../../src/overflow/egress-meter.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

it('says what was sent in the last three seconds, and what those add who were just let in', async () => {
  const clock = new VirtualClock();
  let bytes = 0;
  const meter = new EgressMeter(() => bytes, clock);
  const release = meter.hold();
  expect(meter.bps).toBe(0);
  meter.expect(2_000_000);
  expect(meter.bps).toBe(2_000_000);
  for (let second = 0; second < 4; second += 1) {
    bytes += 125_000;
    await clock.advance(1000);
  }
  expect(meter.bps).toBe(1_000_000);
  bytes += 500_000;
  await clock.advance(1000);
  expect(meter.bps).toBe(2_000_000);
  await clock.advance(3000);
  expect(meter.bps).toBe(0);
  release();
  release();
  bytes += 1_000_000;
  await clock.advance(5000);
  expect(meter.bps).toBe(0);
});
