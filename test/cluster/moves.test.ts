import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import type { StreamKitOptions } from '../../src/options/stream-kit-options.js';
import type { StreamSessionState } from '../../src/protocol/state-document.js';
import { type ClusterTestNode, openClusterNode } from '../helpers/cluster-node.js';
import { ClusterNodeProcess } from '../helpers/cluster-node-process.js';
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

/** What a node in a process of its own tells of itself. */
interface NodeReport {
  readonly launches: number;
  readonly ended: number;
  readonly sessions: readonly string[];
}

describe.skipIf(!RedisServer.isInstalled)('a node that drains by moving', () => {
  let redis: RedisServer;
  let nodes: ClusterTestNode[] = [];
  const processes: ClusterNodeProcess[] = [];
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
    for (const started of processes.splice(0)) {
      started.resume();
      await started.kill();
    }
  });

  /** A node in a process of its own. */
  async function startNode(nodeId: string): Promise<ClusterNodeProcess> {
    const started = await ClusterNodeProcess.start(nodeId, redis.url, { program: 'cluster-move-node' });
    processes.push(started);
    return started;
  }

  async function reportOf({ ownUrl }: ClusterNodeProcess): Promise<NodeReport> {
    return (await (await fetch(ownUrl)).json()) as NodeReport;
  }

  /** Its page has ended, and has not come elsewhere. */
  async function untilDeparted(url: string): Promise<void> {
    await until(async () => expect((await ask(url)).json).toMatchObject({ status: 'initializing' }));
  }

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
    const intruder = { method: 'PUT', headers: { 'content-type': 'application/octet-stream' }, body: 'x' };
    for (const { url } of nodes) {
      expect((await ask(`${url}/admin/moves/${id}`, intruder)).json.error.code).toBe('forbidden');
    }
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

  it('lets sessions go on until there is room for them', async () => {
    await open({}, [1, 1]);
    const first = await create();
    const second = await create();
    expect(second.owner).not.toBe(first.owner);
    await postJson(`${first.owner.url}/admin/drain`, { move: true });
    expect((await ask(`${second.owner.url}/${second.id}`, { method: 'DELETE' })).status).toBe(204);
    await load(second.owner, 2);
    await until(() => expect(ownersOf(first.id)).toEqual([second.owner]));
    // Until then its page has not been touched.
    expect([first.owner.parts.launches.length, restored]).toEqual([1, ['', '', STORED]]);
    expect((await postJson(`${first.owner.url}/admin/drain`, { moves: true })).status).toBe(400);
  });

  it('loads the page again where it was if the other node is killed', async () => {
    await open({}, [10]);
    const { id, owner } = await create();
    const other = await startNode('held-target');
    const stream = await EventStreamClient.open(`${other.url}/${id}/sse?media=none`);
    await stream.signal('viewer');
    await postJson(`${owner.url}/admin/drain`, { move: true });
    await until(async () => expect((await reportOf(other)).launches).toBe(1));
    await other.kill();
    const { parameters } = await load(owner, 2);
    await until(async () => expect((await stateAt(owner, id)).status).toBe('connecting'));
    expect(restored).toEqual(['', STORED]);
    expect((await stateAt(owner, id)).metadata.restarts).toBe(1);
    expect((await ask(`${owner.url}/${id}`, { method: 'DELETE' })).status).toBe(204);
    await owner.router.drain();
    expect(existsSync(parameters.profile?.path ?? '/')).toBe(false);
  });

  it(
    'has one owner where the other node stands still, and comes back too late',
    { timeout: 120_000 },
    async () => {
      await open({}, [10]);
      const { id, owner } = await create();
      const other = await startNode('held-sleeper');
      await postJson(`${owner.url}/admin/drain`, { move: true });
      await until(async () => expect((await reportOf(other)).launches).toBe(1));
      other.pause();
      await load(owner, 2);
      await until(async () => expect((await stateAt(owner, id)).status).toBe('connecting'));
      other.signal();
      other.resume();
      // Its page comes now, and it may not take the session any more.
      await until(async () => expect((await reportOf(other)).ended).toBe(1));
      expect((await reportOf(other)).sessions).toEqual([]);
      expect(ownersOf(id)).toEqual([owner]);
      await until(async () =>
        expect((await ask(`${other.url}/${id}`)).json).toMatchObject({ status: 'connecting' }),
      );
    },
  );

  /** A session that a node in a process of its own sends to one of two others, one of which a viewer watches. */
  async function sendFromProcess(): Promise<{
    source: ClusterNodeProcess;
    id: string;
    target: ClusterTestNode;
    stream: EventStreamClient;
  }> {
    const source = await startNode('source');
    const { streamId: id } = await until(async () => {
      const answer = await postJson(source.url, PAGE);
      expect(answer.status).toBe(201);
      return answer.json as { streamId: string };
    });
    await until(async () =>
      expect((await ask(`${source.url}/${id}`)).json).toMatchObject({ status: 'connecting' }),
    );
    await open({}, [10, 10]);
    const stream = await until(async () => {
      const opened = await EventStreamClient.open(`${nodes[0]?.url}/${id}/sse?media=none`);
      expect(opened.response.status).toBe(200);
      return opened;
    });
    await postJson(`${source.url}/admin/drain`, { move: true });
    return { source, id, target: await nextOf(), stream };
  }

  /** What the nodes answer for a session: its status or the code of the error. */
  async function answersFor(id: string): Promise<string[]> {
    const answers = await Promise.all(nodes.map(async ({ url }) => (await ask(`${url}/${id}`)).json));
    return answers.map(({ status, error }) => String(error === undefined ? status : error.code));
  }

  it('plays on where the node that drains is killed after another one has taken it', async () => {
    const { source, id, target, stream } = await sendFromProcess();
    await load(target);
    await until(() => expect(ownersOf(id)).toEqual([target]));
    await source.kill();
    await stream.untilEnd();
    expect(stream.text).not.toContain('node_lost');
    await until(async () => expect(await answersFor(id)).toEqual(['connecting', 'connecting']));
    expect(ownersOf(id)).toEqual([target]);
  });

  it(
    'is lost at every node where the one that drains is killed, and the page comes after that is known',
    { timeout: 120_000 },
    async () => {
      const { source, id, target, stream } = await sendFromProcess();
      await source.kill();
      await stream.untilEnd();
      await until(async () => expect(await answersFor(id)).toEqual(['node_lost', 'node_lost']));
      const { parameters } = await load(target);
      // It is given up again.
      await until(() => expect(existsSync(parameters.profile?.path ?? '/')).toBe(false));
      expect(ownersOf(id)).toEqual([]);
      expect(await answersFor(id)).toEqual(['node_lost', 'node_lost']);
    },
  );

  it('has one owner once Redis has stood still', { timeout: 120_000 }, async () => {
    await open({}, [10, 10]);
    const { id, owner } = await create();
    await postJson(`${owner.url}/admin/drain`, { move: true });
    const target = await nextOf(owner);
    await untilDeparted(`${owner.url}/${id}`);
    redis.pause();
    await load(target);
    redis.resume();
    // The target has taken it, or else the page is loaded where it was.
    await until(async () => {
      if (owner.parts.launches.length > 1) owner.parts.launches[1]?.succeed();
      expect(ownersOf(id).length).toBe(1);
      const answers = await Promise.all(nodes.map((node) => stateAt(node, id)));
      expect(answers.map(({ status }) => status)).toEqual(['connecting', 'connecting']);
    });
  });

  it('keeps a session with its profile that the other node refuses', async () => {
    const profiles = await mkdtemp(join(tmpdir(), 'profiles-'));
    await open({ profileDirectory: profiles }, [10]);
    const { id, owner } = await create({ ...PAGE, profile: { id: 'shop', save: true } });
    // It has no option profileDirectory.
    await startNode('without-profiles');
    await postJson(`${owner.url}/admin/drain`, { move: true });
    await load(owner, 2);
    await until(async () => expect((await stateAt(owner, id)).status).toBe('connecting'));
    const ended = await ask(`${owner.url}/${id}`, {
      ...{ method: 'DELETE', headers: { prefer: 'return=representation' } },
    });
    expect(ended.json).toMatchObject({ profile: { id: 'shop', saved: true } });
    expect((await ask(`${owner.url}/profiles`)).json).toMatchObject({
      profiles: [{ id: 'shop', inUse: false }],
    });
    await rm(profiles, { recursive: true });
  });
});
