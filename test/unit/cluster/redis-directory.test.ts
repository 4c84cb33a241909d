import { expect, it } from 'vitest';

import { RedisDirectory } from '../../../src/cluster/redis-directory.js';

const NODE = { nodeId: 'a', incarnation: '1', url: 'http://a.example.org', room: 1, gpu: false };

function answering(reply: unknown): RedisDirectory {
  return new RedisDirectory({ call: () => Promise.resolve(reply) }, 'test');
}

it('takes numbers as a client gives them that makes strings of them', async () => {
  expect(await answering('250').takeToken('b', { perSecond: 1, burst: 1 })).toBe(250);
  expect(await answering('1').setCount(NODE, 'n', 1)).toBe(true);
  expect(await answering('0').setCount(NODE, 'n', 1, 1)).toBe(false);
  const live = JSON.stringify({ ...NODE, expiresAtMs: 10_000 });
  expect(await answering(['held', '9999', '1', '2', [], [live]]).beat(NODE, [])).toMatchObject({
    ...{ outcome: 'held', known: true, count: 2, withRoom: [NODE] },
  });
});

it.each([null, undefined, '', 'OK', Number.NaN, []])('counts %j for no number', async (reply) => {
  const directory = answering(reply);
  await expect(directory.takeToken('b', { perSecond: 1, burst: 1 })).rejects.toThrow('number');
  await expect(directory.setCount(NODE, 'n', 1)).rejects.toThrow('number');
  await expect(answering([reply, '1', []]).draw({ gpu: true })).rejects.toThrow('number');
  await expect(answering(['held', reply, reply, reply, [], []]).beat(NODE, [])).rejects.toThrow('number');
});
