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

it('usage and budget go on where a session has moved, and the router counts its own part', async () => {
  const clock = new VirtualClock();
  const cpu = new CpuMeter(clock, () => Promise.resolve(new Map([[1, 5]])));
  const counters = newSessionCounters();
  const earlier = {
    ...{ durationMs: 60_000, cpuSeconds: 30, gpuSeconds: null },
    ...{ bytesSent: 1000, viewerMinutes: 2, framesEncoded: 50 },
  };
  const spent: string[] = [];
  const meter = new UsageMeter({ clock, cpu, counters, budget: { maxDurationMs: 70_000 }, earlier });
  meter.watchBudget(({ code }) => spent.push(code));
  meter.setProcess(1);
  await meter.sample();
  meter.addWebSocketBytes(7);
  meter.addFrames(3);
  await clock.advance(9000);
  expect(meter.usage).toMatchObject({
    ...{ durationMs: 69_000, cpuSeconds: 35, gpuSeconds: null },
    ...{ bytesSent: 1007, viewerMinutes: 2, framesEncoded: 53 },
  });
  expect(counters.usage.read()).toEqual({ cpuSeconds: 5, viewerSeconds: 0 });
  expect(spent).toEqual([]);
  await clock.advance(1000);
  expect(spent).toEqual(['budget_exceeded']);
  meter.close();
  expect(meter.usage).toMatchObject({ durationMs: 70_000, cpuSeconds: 35 });
});
