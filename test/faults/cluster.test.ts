import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { type ClusterTestNode, openClusterNode } from '../helpers/cluster-node.js';
import { ClusterNodeProcess } from '../helpers/cluster-node-process.js';
import { until } from '../helpers/patience.js';
import { RedisServer } from '../helpers/redis-server.js';
import { type Answer, ask, EventStreamClient, postJson } from '../helpers/router-server.js';

const PAGE = { targetUrl: 'https://game.example.org/' };

describe.skipIf(!RedisServer.isInstalled)('a cluster that loses something', () => {
  let redis: RedisServer;
  let near: ClusterTestNode;
  let far: ClusterNodeProcess;

  beforeAll(async () => {
    redis = await RedisServer.start();
  });

  afterAll(async () => {
    await redis.stop();
  });

  afterEach(async () => {
    await far.kill();
    await near.close();
  });

  /** Two nodes, `far` in a process of its own, with a session each that viewers watch at `near`. */
  async function open(): Promise<{ id: string; ownId: string; stream: EventStreamClient }> {
    far = await ClusterNodeProcess.start('far', redis.url);
    near = await openClusterNode('near', redis.url);
    const ids = new Set<string>();
    const isOwn = (id: string): boolean => near.router.sessions.list().some((session) => session.id === id);
    await until(async () => {
      const { status, json } = await postJson(near.url, PAGE);
      if (status === 201) ids.add((json as { streamId: string }).streamId);
      expect([...ids].filter(isOwn)).not.toEqual([]);
      expect([...ids].filter((id) => !isOwn(id))).not.toEqual([]);
    });
    const id = [...ids].find((one) => !isOwn(one)) ?? '';
    const ownId = [...ids].find(isOwn) ?? '';
    // Chance may have filled one of them.
    const others = [...ids].filter((one) => one !== id && one !== ownId);
    for (const other of others) {
      expect((await ask(`${near.url}/${other}`, { method: 'DELETE' })).status).toBe(204);
    }
    const stream = await EventStreamClient.open(`${near.url}/${id}/sse`);
    await stream.signal('viewer');
    return { id, ownId, stream };
  }

  /** What every node says of a session that was lost. */
  async function expectLost(id: string, stream: EventStreamClient): Promise<void> {
    await stream.untilEnd();
    expect(stream.events.slice(-2).map(({ data }) => data as unknown)).toEqual([
      [
        { op: 'add', path: '/status', value: 'error' },
        { op: 'add', path: '/error', value: expect.any(String) as string },
      ],
      { type: 'closed', payload: { reason: 'error', code: 'node_lost' } },
    ]);
    const answer = await ask(`${near.url}/${id}`);
    expect([answer.status, codeOf(answer)]).toEqual([410, 'node_lost']);
  }

  it('tells viewers within 5 s that a node was killed, and takes sessions on', async () => {
    const { id, ownId, stream } = await open();
    const killedAtMs = performance.now();
    await far.kill();
    await expectLost(id, stream);
    // Its lease of 4 s counts from its last beat; the rest is room for a slow machine.
    expect(performance.now() - killedAtMs).toBeLessThan(30_000);
    expect((await ask(`${near.url}/${ownId}`)).status).toBe(200);
    expect((await postJson(near.url, PAGE)).status).toBe(201);
  });

  it('ends the sessions of a node that was paused for too long when it comes back', async () => {
    const { id, stream } = await open();
    const direct = await EventStreamClient.open(`${far.url}/${id}/sse`);
    await direct.signal('viewer');
    far.pause();
    await expectLost(id, stream);
    far.resume();
    await direct.untilEnd();
    expect(direct.text).toContain('"closed"');
    await until(async () => expect((await ask(`${far.url}/${id}`)).json.status).toBe('error'));
    // It is another incarnation now, and takes part again.
    await until(async () => expect((await postJson(far.url, PAGE)).status).toBe(201));
  });

  it('goes on with what runs while Redis is paused, refuses what is new, and is whole again after', async () => {
    const { id, ownId, stream } = await open();
    redis.pause();
    await until(async () => {
      const refused = await postJson(near.url, PAGE);
      expect([refused.status, codeOf(refused)]).toEqual([503, 'unavailable']);
      expect(refused.headers.get('retry-after')).toBe('1');
    });
    expect((await ask(`${near.url}/${ownId}`)).status).toBe(200);
    expect((await ask(`${near.url}/${id}`)).status).toBe(200);
    expect(codeOf(await ask(`${near.url}/00000000-0000-4000-8000-000000000000`))).toBe('unavailable');
    redis.resume();
    await expectWhole(id, ownId, stream);
  });

  it('goes on with what runs while Redis is killed, and tells a new one of it', async () => {
    const { id, ownId, stream } = await open();
    await redis.kill();
    await until(async () => expect((await postJson(near.url, PAGE)).status).toBe(503));
    expect((await ask(`${near.url}/${ownId}`)).status).toBe(200);
    expect((await ask(`${near.url}/${id}`)).status).toBe(200);
    await redis.restart();
    await expectWhole(id, ownId, stream);
  });

  async function expectWhole(id: string, ownId: string, stream: EventStreamClient): Promise<void> {
    await until(async () => expect((await postJson(near.url, PAGE)).status).toBe(201));
    // A node that knows of nothing yet asks the directory alone.
    const third = await openClusterNode('third', redis.url);
    try {
      for (const one of [id, ownId]) {
        await until(async () => {
          const answer = await ask(`${third.url}/${one}`);
          expect(codeOf(answer) ?? 'unavailable').toBe('unavailable');
          expect(answer.status).toBe(200);
        });
      }
    } finally {
      await third.close();
    }
    expect(stream.ended).toBe(false);
    stream.abort();
  }
});

function codeOf({ json }: Answer): string | undefined {
  return (json as { error?: { code: string } } | undefined)?.error?.code;
}
