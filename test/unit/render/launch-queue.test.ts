import { expect, it } from 'vitest';

import { LaunchQueue } from '../../../src/render/launch-queue.js';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const never = new AbortController().signal;

it('so many are at it at once, and the others come in order', async () => {
  const queue = new LaunchQueue(2);
  const order: number[] = [];
  const leave: (() => void)[] = [];
  const enter = async (number: number): Promise<void> => {
    leave[number] = await queue.enter(never);
    order.push(number);
  };
  const all = [0, 1, 2, 3].map(enter);
  await settled();
  expect(order).toEqual([0, 1]);
  leave[1]?.();
  leave[1]?.();
  await settled();
  expect(order).toEqual([0, 1, 2]);
  leave[0]?.();
  await Promise.all(all);
  expect(order).toEqual([0, 1, 2, 3]);
});

it('one that gives up while it waits takes no turn', async () => {
  const queue = new LaunchQueue(1);
  const leave = await queue.enter(never);
  const given = new AbortController();
  const first = queue.enter(given.signal);
  const second = queue.enter(never);
  given.abort(new Error('given up'));
  await expect(first).rejects.toThrow('given up');
  await expect(queue.enter(given.signal)).rejects.toThrow('given up');
  leave();
  await expect(second).resolves.toBeTypeOf('function');
});
