import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { LEASE_MS } from '../../src/cluster/directory.js';
import { RedisDirectory } from '../../src/cluster/redis-directory.js';
import { directoryContract, nodeRecord } from '../helpers/directory-contract.js';
import { RedisServer } from '../helpers/redis-server.js';

describe.skipIf(!RedisServer.isInstalled)('the directory in a real Redis', () => {
  let server: RedisServer;
  let redis: Redis;

  beforeAll(async () => {
    server = await RedisServer.start();
    redis = new Redis(server.url);
  });

  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  /** Makes everything that is stored older: the tests wait for nothing. */
  async function advance(ms: number): Promise<void> {
    for (const key of await redis.keys('*')) {
      const leftMs = await redis.pttl(key);
      if (leftMs >= 0) await redis.pexpire(key, leftMs - ms);
    }
    for (const [field, value] of Object.entries(await redis.hgetall('{test}:pulse'))) {
      await redis.hset('{test}:pulse', field, Number(value) - ms);
    }
    for (const [nodeId, text] of Object.entries(await redis.hgetall('{test}:nodes'))) {
      const node = JSON.parse(text) as { expiresAtMs: number };
      await redis.hset(
        '{test}:nodes',
        nodeId,
        JSON.stringify({ ...node, expiresAtMs: node.expiresAtMs - ms }),
      );
    }
  }

  async function open(): Promise<{ directory: RedisDirectory; advance: typeof advance }> {
    await redis.flushall();
    return { directory: new RedisDirectory(redis, 'test'), advance };
  }

  directoryContract('in Redis', open);

  it('declares nobody lost before its nodes had time to come back to a Redis that stood still', async () => {
    const { directory } = await open();
    const [a, b] = [nodeRecord('a'), nodeRecord('b')];
    await directory.beat(a);
    await directory.claim(a, ['one']);
    await advance(LEASE_MS + 1000);
    expect(await directory.find('one')).toEqual({ kind: 'unsettled' });
    expect(await directory.fence(a)).toBe('unsettled');
    await directory.beat(b);
    expect(await directory.find('one')).toEqual({ kind: 'unsettled' });
    expect(await directory.beat(a)).toMatchObject({ outcome: 'held', known: true });
    expect(await directory.find('one')).toEqual({ kind: 'owned', node: a });
    for (let passed = 0; passed <= LEASE_MS; passed += 1000) {
      await advance(1000);
      await directory.beat(b);
    }
    expect(await directory.find('one')).toEqual({ kind: 'lost' });
  });

  it('calls nothing unknown before its nodes had time to name it to a Redis that lost everything', async () => {
    const { directory } = await open();
    const a = nodeRecord('a');
    expect(await directory.beat(a)).toMatchObject({ known: false });
    expect(await directory.find('one')).toEqual({ kind: 'unsettled' });
    for (let passed = 0; passed <= LEASE_MS; passed += 1000) {
      await advance(1000);
      await directory.beat(a);
    }
    expect(await directory.find('one')).toEqual({ kind: 'unknown' });
  });
});
