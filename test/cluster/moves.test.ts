import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import type { StreamKitOptions } from '../../src/options/stream-kit-options.js';
import type { StreamSessionState } from '../../src/protocol/state-document.js';
import { type ClusterTestNode, openClusterNode } from '../helpers/cluster-node.js';
import { PATIENCE_MS, until } from '../helpers/patience.js';
import { RedisServer } from '../helpers/redis-server.js';
import { ask, EventStreamClient, postJson } from '../helpers/router-server.js';
import type { FakeLaunch } from '../helpers/session-fakes.js';

const PAGE = {
  targetUrl: 'https://game.example.org/',
  initialData: { level: 7 },
  renderOptions: { resolution: '640x360', frameRate: 24, locale: 'de-DE' },
};
const STORED = 'cookies and local storage';

describe.skipIf(!RedisServer.isInstalled)('a node that drains by moving', () => {
  let redis: RedisServer;
  let nodes: ClusterTestNode[] = [];
  /** What the pages of the nodes have begun with, in order. */
  let restored: string[] = [];

  beforeAll(async () => {
    redis = await RedisServer.start();
  });

  afterAll(async () => {
    await redis.stop();
  });

  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    nodes = [];
    restored = [];
  });

  /** Nodes that all know of each other. What their pages have stored is one text. */
  async function open(options: StreamKitOptions = {}, counts = [10, 10, 10]): Promise<void> {
    const parts = { directoryTimeoutMs: PATIENCE_MS };
    nodes = await Promise.all(
      counts.map((maxSessions, index) =>
        openClusterNode(`node-${index}`, redis.url, { maxSessions, ...options }, parts),
      ),
    );
    for (const node of nodes) node.parts.storeProfile = ({ path }) => writeFile(path, STORED);
  }

  /** The page of the newest launch of a node is there. */
  async function load(node: ClusterTestNode, count = 1): Promise<FakeLaunch> {
    const launch = await until(() => {
      const found = node.parts.launches[count - 1];
      if (found === undefined) throw new Error('The page is not launched');
      return found;
    });
    const { profile } = launch.parameters;
    restored.push(profile === undefined ? '' : await readFile(profile.path, 'utf8').catch(() => ''));
    launch.succeed();
    return launch;
  }

  async function create(request: object = PAGE): Promise<{ id: string; owner: ClusterTestNode }> {
    const created = await until(async () => {
      const answer = await postJson(nodes[0]?.url ?? '', request);
      expect(answer.status).toBe(201);
      return answer;
    });
    const { streamId: id } = created.json as { streamId: string };
    const owner = ownerOf(id);
    await load(owner);
    await until(async () => expect((await stateAt(owner, id)).status).toBe('connecting'));
    return { id, owner };
  }

  function ownersOf(id: string): ClusterTestNode[] {
    return nodes.filter(({ router }) => router.sessions.list().some((session) => session.id === id));
  }

  function ownerOf(id: string): ClusterTestNode {
    const [owner, ...others] = ownersOf(id);
    if (owner === undefined || others.length > 0)
      throw new Error(`${others.length + 1} nodes have the session`);
    return owner;
  }

  async function stateAt({ url }: ClusterTestNode, id: string): Promise<StreamSessionState> {
    return (await ask(`${url}/${id}`)).json as StreamSessionState;
  }

  /** The node at which a session is loaded now that is none of those that have had it. */
  async function nextOf(...before: readonly ClusterTestNode[]): Promise<ClusterTestNode> {
    return until(() => {
      const next = nodes.find((node) => !before.includes(node) && node.parts.launches.length > 0);
      if (next === undefined) throw new Error('No other node loads the page');
      return next;
    });
  }

  function lastIdOf(stream: EventStreamClient): number {
    return Number(stream.events.filter(({ event }) => event === 'state_patch').at(-1)?.id);
  }

  it('hands a session over with its state, and tells its viewers to come again', async () => {
    await open();
    const { id, owner } = await create();
    const [elsewhere] = nodes.filter((node) => node !== owner);
    if (elsewhere === undefined) throw new Error('There is no other node');
    const changed = await ask(`${elsewhere.url}/${id}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ frameRate: 20, resolution: '320x180' }),
    });
    expect(changed.status).toBe(200);
    owner.router.sessions.get(id).setPageState({ score: 3 });
    owner.parts.launches[0]?.listener.onPageMetadata({ title: 'The game' }, 0);
    const direct = await EventStreamClient.open(`${owner.url}/${id}/sse?media=none`);
    const passed = await EventStreamClient.open(`${elsewhere.url}/${id}/sse?media=none`);
    const { viewerId } = await direct.signal<{ viewerId: string }>('viewer');
    await passed.signal('viewer');
    const streams = [direct, passed];
    const drained = postJson(`${owner.url}/admin/drain`, { move: true });
    const target = await nextOf(owner);
    expect((await drained).status).toBe(202);
    // While its page is on its way nothing is taken that would be lost.
    for (const { url } of nodes) {
      const refused = await ask(`${url}/${id}`, { method: 'DELETE' });
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
      const late = {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: '{"frameRate":9}',
      };
      expect((await ask(`${url}/${id}`, late)).json.error.code).toBe('unavailable');
      expect((await ask(`${url}/${id}`)).json).toMatchObject({ status: 'initializing' });
    }
    expect(() => owner.router.sessions.get(id).setPageState({})).toThrow('moving');
    expect(ownersOf(id)).toEqual([owner]);
    const { parameters } = await load(target);
    expect(parameters).toMatchObject({
      ...{ targetUrl: PAGE.targetUrl, initialData: PAGE.initialData },
      ...{ width: 320, height: 180, frameRate: 20 },
    });
    expect(JSON.stringify(parameters)).toContain('de-DE');
    await Promise.all(streams.map((stream) => stream.untilEnd()));
    for (const stream of streams) {
      expect(stream.text).not.toContain('"closed"');
      expect(stream.text.trim().endsWith('retry: 100')).toBe(true);
    }
    expect(restored).toEqual(['', STORED]);
    expect(ownerOf(id)).toBe(target);
    expect(target.parts.pageStates).toEqual([{ score: 3 }]);
    for (const node of nodes) {
      expect(await stateAt(node, id)).toMatchObject({
        ...{ streamId: id, status: 'connecting' },
        metadata: { restarts: 1, page: { title: 'The game' } },
      });
    }
    // A client that comes again is a new viewer, and its document goes on.
    const lastId = lastIdOf(direct);
    const again = await EventStreamClient.open(`${owner.url}/${id}/sse?media=none&viewerId=${viewerId}`, {
      headers: { 'last-event-id': String(lastId) },
    });
    expect((await again.signal<{ viewerId: string }>('viewer')).viewerId).not.toBe(viewerId);
    await again.until(() => lastIdOf(again) > lastId);
    const first = again.events.find(({ event }) => event === 'state_patch');
    expect(first?.data).toMatchObject([{ op: 'replace', path: '', value: { streamId: id } }]);
    expect(Number(first?.id)).toBeGreaterThan(lastId);
    again.abort();
    await owner.router.drain();
    expect((await ask(`${owner.url}/${id}`, { method: 'DELETE' })).status).toBe(204);
    expect(ownersOf(id)).toEqual([]);
    expect(existsSync(parameters.profile?.path ?? '/')).toBe(false);
  });
});
