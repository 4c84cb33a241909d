import { expect, it } from 'vitest';

import { CpuMeter } from '../../../src/session/cpu-meter.js';
import { newSessionCounters } from '../../../src/session/session-counters.js';
import { UsageMeter } from '../../../src/session/usage-meter.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

it('usage goes on over the restart of a session, and counts what WebSockets were sent', async () => {
  const clock = new VirtualClock();
  const seconds = new Map([
    [1, 5],
    [2, 2],
  ]);
  const cpu = new CpuMeter(clock, () => Promise.resolve(seconds));
  const meter = new UsageMeter({ clock, cpu, counters: newSessionCounters(), budget: {} });
  meter.setProcess(1);
  await meter.sample();
  expect(meter.usage.cpuSeconds).toBe(5);
  meter.setProcess(2);
  await meter.sample();
  meter.addWebSocketBytes(7);
  meter.addWebSocketBytes(3);
  expect(meter.usage).toMatchObject({ cpuSeconds: 7, bytesSent: 10 });
  meter.close();
  expect(meter.usage).toMatchObject({ cpuSeconds: 7, bytesSent: 10 });
  expect(clock.pendingTimers).toBe(0);
});
