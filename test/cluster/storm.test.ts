import { setTimeout } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { HaproxyServer } from '../helpers/haproxy-server.js';
import { until } from '../helpers/patience.js';
import { RedisServer } from '../helpers/redis-server.js';
import { EventStreamClient, postJson } from '../helpers/router-server.js';
import { SEED } from '../helpers/seed.js';
import { seededRandom } from '../helpers/seeded-random.js';
import { SessionJournal } from '../helpers/session-journal.js';
import { StormClients } from '../helpers/storm-clients.js';
import { StormCluster } from '../helpers/storm-cluster.js';

const NODES = 3;
const FAULTS = Number(process.env.FAULTS ?? 50);
const SESSIONS = 8;

describe.skipIf(!RedisServer.isInstalled || !HaproxyServer.isInstalled)('three nodes behind HAProxy', () => {
  let cluster: StormCluster;
  const random = seededRandom(SEED);
  const between = (least: number, most: number): number => least + random() * (most - least);

  beforeAll(async () => {
    process.stdout.write(`The storm has the seed ${SEED}: SEED=${SEED} npm run test:cluster runs it again\n`);
    cluster = await StormCluster.start(NODES);
  });

  afterAll(async () => {
    await (cluster as StormCluster | undefined)?.stop();
  });

  /** One fault, and its end. @returns `started`: the node that was killed is there again. */
  async function strike(): Promise<{ started: Promise<void> }> {
    const { redis, haproxy } = cluster;
    const index = Math.floor(random() * NODES);
    const draw = random();
    if (draw < 0.25) {
      await cluster.killNode(index);
      await setTimeout(between(0, 3000));
      return { started: cluster.restartNode(index) };
    }
    if (draw < 0.5) {
      const resume = cluster.pauseNode(index);
      await setTimeout(between(100, 7000));
      resume();
    } else if (draw < 0.62) {
      await redis.kill();
      await setTimeout(between(0, 3000));
      await redis.restart();
    } else if (draw < 0.76) {
      redis.pause();
      await setTimeout(between(100, 5000));
      redis.resume();
    } else if (draw < 0.88) {
      await haproxy.kill();
      await setTimeout(between(0, 2000));
      await haproxy.restart();
    } else {
      haproxy.pause();
      await setTimeout(between(100, 3000));
      haproxy.resume();
    }
    return { started: Promise.resolve() };
  }

  it(
    `contradicts no client through ${FAULTS} faults, and works after them (seed ${SEED})`,
    { timeout: 600_000 },
    async () => {
      const journal = new SessionJournal({ mayBeLost: (owner) => cluster.mayBeLost(owner) });
      const clients = new StormClients({
        ...{ journal, front: cluster.front, direct: cluster.urls, random: seededRandom(SEED + 1) },
        sessions: SESSIONS,
      });
      const look = async (): Promise<void> => {
        for (const { owner, sessions } of await cluster.ownSessions())
          for (const id of sessions) journal.owned(id, owner);
      };
      const over = new AbortController();
      const looking = (async () => {
        while (!over.signal.aborted) {
          await look();
          await setTimeout(150);
        }
      })();
      // It is awaited below, unless something else has failed before.
      looking.catch(() => undefined);
      try {
        await until(() => expect(journal.living.length).toBe(SESSIONS));
        let starting: Promise<void> = Promise.resolve();
        for (let fault = 0; fault < FAULTS; fault++) {
          await starting;
          starting = (await strike()).started;
          await setTimeout(between(200, 2500));
        }
        await starting;
        await until(async () => expect(await cluster.isWhole()).toBe(true), 100);
        await clients.stopChanging();
        // Now every node says the same of every session, and says something.
        for (const id of journal.ids) {
          const told = await Promise.all(
            cluster.urls.map((url) =>
              until(async () => {
                const one = await clients.look(id, url);
                expect(one).toBeDefined();
                return one;
              }),
            ),
          );
          const kinds = new Set(told.map((one) => (one === 'alive' ? 'alive' : 'ended')));
          if (kinds.size > 1) journal.violate(`${id} is ${told.join(', ')} at the nodes after the storm`);
        }
        over.abort();
        await looking;
        const { living, ids, ended } = journal;
        await clients.untilToldOf(ended);
        process.stdout.write(
          `${ids.length} sessions, ${living.length} of them alive at the end; clients were told ${journal.told} times: ` +
            [...clients.statuses].map(([what, times]) => `${what} ${times}×`).join(', ') +
            '\n',
        );
        expect(journal.violations).toEqual([]);
        // Nothing that no client knows of is left.
        await until(async () => {
          const own = (await cluster.ownSessions()).flatMap(({ sessions }) => sessions);
          expect(own.filter((id) => !ids.includes(id) || ended.includes(id))).toEqual([]);
        }, 500);
        for (const url of cluster.urls) {
          const { status, json } = await postJson(cluster.front, { targetUrl: 'https://game.example.org/' });
          expect(status).toBe(201);
          const stream = await EventStreamClient.open(
            `${url}/${(json as { streamId: string }).streamId}/sse?media=none`,
          );
          await stream.signal('viewer');
          stream.abort();
        }
        await clients.close();
      } finally {
        // What failed is what is told, and nothing that comes of the end of the cluster.
        over.abort();
        await Promise.allSettled([looking, clients.close()]);
      }
    },
  );
});
