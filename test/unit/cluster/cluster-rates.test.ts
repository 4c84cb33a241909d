import { createHash, createSecretKey } from 'node:crypto';

import { expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import { ClusterRates } from '../../../src/cluster/cluster-rates.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

const LIMIT = { perSecond: 1, burst: 1 };

it('names no caller in the directory by what anybody could compute', async () => {
  const names: string[] = [];
  const rates = ['one', 'other'].map(
    (secret) =>
      new ClusterRates({
        directory: { takeToken: (bucket) => Promise.resolve(names.push(bucket) * 0) },
        membership: { isAway: false },
        secret: createSecretKey(Buffer.from(secret)),
        ...{ clock: new VirtualClock(), logger: silentLogger },
      }),
  );
  for (const one of rates) expect(await one.take('joins', '192.0.2.7', LIMIT)).toBe(0);
  expect(names[0]).toMatch(/^joins:[\w-]{22}$/);
  expect(names[0]).not.toBe(names[1]);
  const plain = createHash('sha256').update('192.0.2.7').digest('base64url');
  expect(names.some((name) => plain.startsWith(name.slice('joins:'.length)))).toBe(false);
});

it('logs at most once a minute that it counts alone', async () => {
  const clock = new VirtualClock();
  let logged = 0;
  const membership = { isAway: false };
  const rates = new ClusterRates({
    directory: { takeToken: () => Promise.resolve(0) },
    secret: createSecretKey(Buffer.from('secret')),
    logger: { ...silentLogger, warn: () => (logged += 1) },
    ...{ membership, clock },
  });
  const flip = async (): Promise<void> => {
    for (const isAway of [true, false]) {
      membership.isAway = isAway;
      expect(await rates.take('joins', 'ann', LIMIT)).toBe(isAway ? undefined : 0);
    }
  };
  for (let times = 0; times < 10; times++) await flip();
  expect(logged).toBe(1);
  await clock.advance(60_000);
  await flip();
  expect(logged).toBe(2);
});
