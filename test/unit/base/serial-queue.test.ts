import { expect, it } from 'vitest';

import { SerialQueue } from '../../../src/base/serial-queue.js';

it('a serial queue does one thing after the other, also after one that fails', async () => {
  const queue = new SerialQueue();
  const log: string[] = [];
  const slow = queue.run(async () => {
    log.push('slow begins');
    await Promise.resolve();
    log.push('slow ends');
    return 1;
  });
  const failing = queue.run(() => {
    log.push('fails');
    throw new Error('broken');
  });
  const last = queue.run(() => log.push('last'));
  await expect(failing).rejects.toThrow('broken');
  expect([await slow, await last]).toEqual([1, 4]);
  expect(log).toEqual(['slow begins', 'slow ends', 'fails', 'last']);
});

it('a serial queue refuses what is too much, and takes more once something is done', async () => {
  const queue = new SerialQueue({ most: 2, sentence: 'Too much' });
  const [first, second] = [queue.run(() => 'first'), queue.run(() => Promise.reject(new Error('broken')))];
  expect(() => queue.run(() => undefined)).toThrow(
    expect.objectContaining({ code: 'at_capacity', message: 'Too much', headers: { 'Retry-After': '1' } }),
  );
  expect(await first).toBe('first');
  await expect(second).rejects.toThrow('broken');
  expect(await queue.run(() => 'third')).toBe('third');
});
