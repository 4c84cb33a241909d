import { createSecretKey } from 'node:crypto';

import { expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import { ClusterSeats } from '../../../src/cluster/cluster-seats.js';
import { anybody } from '../../helpers/session-fakes.js';
import { settle, VirtualClock } from '../../helpers/virtual-clock.js';

/** Seats of viewers, what callers have, and what the directory was told of them. */
function open(): {
  seats: ClusterSeats;
  have: Map<string, number>;
  told: Map<string, number>;
  asked: { times: number };
} {
  const have = new Map<string, number>();
  const told = new Map<string, number>();
  const asked = { times: 0 };
  const seats = new ClusterSeats({
    directory: { setCount: (_node, name, own) => Promise.resolve(told.set(name, own).size > 0) },
    membership: { identity: { nodeId: 'a', incarnation: '1' }, isAway: false },
    counts: (kind) => {
      asked.times += 1;
      return kind === 'viewers' ? have : new Map<string, number>();
    },
    secret: createSecretKey(Buffer.from('secret')),
    ...{ clock: new VirtualClock(), logger: silentLogger },
  });
  return { seats, have, told, asked };
}

const limited = (key: string): typeof anybody => ({ ...anybody, key, limits: { maxViewers: 5 } });

it('tells of what changes at any moment while it tells', async () => {
  for (let turns = 0; turns < 30; turns++) {
    const { seats, have, told } = open();
    const release = await seats.hold('viewers', limited('ann'));
    have.set('ann', 3);
    release();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    have.set('ann', 2);
    seats.refresh();
    await settle();
    expect([turns, ...told.values()]).toEqual([turns, 2]);
  }
});

it('counts once for all callers when one leaves', async () => {
  const { seats, have, told, asked } = open();
  for (let index = 0; index < 1000; index++) {
    const release = await seats.hold('viewers', limited(String(index)));
    have.set(String(index), 1);
    release();
  }
  await settle();
  Object.assign(asked, { times: 0 });
  have.delete('7');
  seats.refresh();
  await settle();
  expect(asked.times).toBeLessThan(10);
  expect([...told.values()].filter((own) => own === 0)).toHaveLength(1);
});
