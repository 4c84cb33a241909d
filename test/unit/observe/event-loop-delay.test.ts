import { setTimeout } from 'node:timers/promises';

import { expect, it } from 'vitest';

import { EventLoopDelay } from '../../../src/observe/event-loop-delay.js';

it('tells how late the event loop was since the last reading, and nothing once it is closed', async () => {
  const delay = new EventLoopDelay();
  expect(delay.read()).toEqual([]);
  await setTimeout(25);
  const until = performance.now() + 120;
  while (performance.now() < until);
  await setTimeout(25);
  const read = delay.read();
  expect(read.map(({ quantile }) => quantile)).toEqual([0.5, 0.9, 0.99, 1]);
  expect(read.at(-1)?.seconds).toBeGreaterThan(0.08);
  delay.close();
  expect(delay.read()).toEqual([]);
  await setTimeout(45);
  expect(delay.read()).toEqual([]);
});
