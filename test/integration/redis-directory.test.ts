import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe } from 'vitest';

import { RedisDirectory } from '../../src/cluster/redis-directory.js';
import { directoryContract } from '../helpers/directory-contract.js';
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
    for (const key of await redis.keys('{test}:bucket:*')) await redis.incrby(key, -1000 * ms);
    const leases = (await redis.call('ZRANGE', '{test}:leases', 0, -1)) as string[];
    for (const lease of leases) await redis.zincrby('{test}:leases', -ms, lease);
    for (const key of await redis.keys('{test}:free:*')) {
      for (const id of (await redis.call('ZRANGE', key, 0, -1)) as string[])
        await redis.zincrby(key, -ms, id);
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
});
