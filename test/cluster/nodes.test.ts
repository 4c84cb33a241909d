import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';

import { PASSPORT_HEADER } from '../../src/cluster/caller-passport.js';
import { CLAIM, TAKE_TOKEN } from '../../src/cluster/redis-scripts.js';
import { NO_ROOM_HEADER } from '../../src/http/peer-nodes.js';
import type { RedisClient } from '../../src/options/cluster-options.js';
import type { StreamKitOptions } from '../../src/options/stream-kit-options.js';
import { workerMuxThreads } from '../../src/recording/mux-threads.js';
import type { RecordingReport, RecordingThreadData } from '../../src/recording/recording-messages.js';
import { CLUSTER_SECRET, type ClusterTestNode, openClusterNode } from '../helpers/cluster-node.js';
import { fakeMuxThreads } from '../helpers/recording-fakes.js';
import type { FakeAnsweringPeer } from '../helpers/session-fakes.js';
import { PATIENCE_MS, until } from '../helpers/patience.js';
import { RedisServer } from '../helpers/redis-server.js';
import { ask, EventStreamClient, postJson } from '../helpers/router-server.js';

const PAGE = { targetUrl: 'https://game.example.org/' };

/** Who calls, as the tests say it: `role name`. */
const validated: Pick<StreamKitOptions, 'validateRequest'> = {
  validateRequest: ({ headers }) => {
    const [role, callerId] = (headers.authorization ?? '').split(' ');
    if (role !== 'viewer' && role !== 'owner') return { authorized: false };
    return { authorized: true, role, ...(callerId === undefined ? {} : { callerId }) };
  },
};
const ANN = { authorization: 'owner ann' };
const BEN = { authorization: 'owner ben' };

describe.skipIf(!RedisServer.isInstalled)('three nodes and a real Redis', () => {
  let redis: RedisServer;
  let nodes: ClusterTestNode[] = [];

  beforeAll(async () => {
    redis = await RedisServer.start();
  });

  afterAll(async () => {
    await redis.stop();
  });

  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    nodes = [];
  });

  /** Nodes that all know of each other. */
  async function open(
    options: StreamKitOptions = {},
    counts = [10, 10, 10],
    client: string | RedisClient = redis.url,
  ): Promise<ClusterTestNode> {
    // A machine that is busy makes Redis slow, and no node is to count alone for that.
    const parts = { directoryTimeoutMs: PATIENCE_MS };
    const opened = counts.map((maxSessions, index) =>
      openClusterNode(`node-${index}`, client, { maxSessions, ...options }, parts),
    );
    nodes = await Promise.all(opened);
    const [first] = nodes;
    if (first === undefined) throw new Error('There is no node');
    return first;
  }

  /** Creates a session at one node, wherever it then is. */
  async function create(
    at: ClusterTestNode,
    headers: Record<string, string> = {},
  ): Promise<{ id: string; owner: ClusterTestNode }> {
    const created = await until(async () => {
      const answer = await postJson(at.url, PAGE, headers);
      expect(answer.status).toBe(201);
      return answer;
    });
    const { streamId: id } = created.json as { streamId: string };
    expect(created.headers.get('location')).toBe(`/stream/${id}`);
    return { id, owner: ownerOf(id) };
  }

  function ownerOf(id: string): ClusterTestNode {
    const owner = nodes.find(({ router }) => router.sessions.list().some((session) => session.id === id));
    if (owner === undefined) throw new Error('No node has the session');
    return owner;
  }

  function others(owner: ClusterTestNode): [ClusterTestNode, ClusterTestNode] {
    const [one, two] = nodes.filter((node) => node !== owner);
    if (one === undefined || two === undefined) throw new Error('There are no three nodes');
    return [one, two];
  }

  it('answers every request of a session at every node', async () => {
    const first = await open();
    const { id, owner } = await create(first);
    owner.parts.launches[0]?.succeed();
    for (const { url } of nodes) {
      expect((await ask(`${url}/${id}`)).json).toMatchObject({ streamId: id });
      const picture = await fetch(`${url}/${id}/snapshot`);
      expect([picture.status, picture.headers.get('content-type')]).toEqual([200, 'image/png']);
      expect([...new Uint8Array(await picture.arrayBuffer())]).toEqual([1, 2, 3]);
      expect((await ask(`${url}/${id}`, { method: 'HEAD' })).status).toBe(200);
      expect((await ask(`${url}/${id}/nothing/at/all`)).status).toBe(404);
      expect((await ask(`${url}/${id}`, { method: 'PUT' })).status).toBe(405);
    }
    const [elsewhere] = others(owner);
    const changed = await ask(`${elsewhere.url}/${id}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ frameRate: 20 }),
    });
    expect([changed.status, changed.json.frameRate]).toEqual([200, 20]);
    const ended = await ask(`${elsewhere.url}/${id}`, {
      method: 'DELETE',
      headers: { prefer: 'return=representation' },
    });
    expect([ended.status, ended.json.streamId]).toEqual([200, id]);
    await until(async () =>
      expect((await ask(`${elsewhere.url}/${id}`)).json.error.code).toBe('no_such_session'),
    );
  });

  it('passes event streams, what was missed of them, and signals', async () => {
    const first = await open();
    const { id, owner } = await create(first);
    const [one, two] = others(owner);
    const stream = await EventStreamClient.open(`${one.url}/${id}/sse`);
    expect(stream.response.headers.get('content-type')).toContain('text/event-stream');
    const { viewerId } = await stream.signal<{ viewerId: string }>('viewer');
    owner.parts.launches[0]?.succeed();
    const offer = await stream.signal<string>('sdp_offer');
    expect(offer).toBeTypeOf('string');
    const signal = { viewerId, type: 'sdp_answer', payload: 'the answer' };
    expect((await postJson(`${two.url}/${id}/signal`, signal)).status).toBe(204);
    expect(owner.parts.peers[0]?.answers).toEqual(['the answer']);
    const seen = stream.events.filter(({ event }) => event === 'state_patch');
    const lastId = String(seen.at(-1)?.id);
    stream.abort();
    const again = await EventStreamClient.open(`${two.url}/${id}/sse?viewerId=${viewerId}`, {
      headers: { 'last-event-id': lastId },
    });
    expect((await again.signal<{ viewerId: string }>('viewer')).viewerId).toBe(viewerId);
    await ask(`${one.url}/${id}`, { method: 'DELETE' });
    await again.untilEnd();
    const patches = again.events.filter(({ event }) => event === 'state_patch');
    // Nothing is sent whole again: it goes on after what was seen.
    expect(patches.every(({ data }) => data.every(({ path }: { path: string }) => path !== ''))).toBe(true);
    expect(again.text).toContain('"closed"');
  });

  it('plays by WHEP and records through a node that has neither', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'recordings-'));
    const file = { width: 64, height: 64, bytes: 4, durationMs: 1000 };
    const threads = fakeMuxThreads<RecordingThreadData, RecordingReport>((thread) => {
      writeFileSync(`${thread.data.pathPrefix}1.mp4`, 'file');
      thread.report({ type: 'ended', files: [file], error: undefined, detail: undefined });
    });
    const muxThreads = { ...workerMuxThreads, openRecordingThread: threads.open };
    const opened = [0, 1, 2].map((index) =>
      openClusterNode(
        `node-${index}`,
        redis.url,
        { recording: { directory: join(directory, String(index)) } },
        { muxThreads },
      ),
    );
    nodes = await Promise.all(opened);
    const { id, owner } = await create(await Promise.race(opened));
    owner.parts.launches[0]?.succeed();
    await until(async () => expect((await ask(`${owner.url}/${id}`)).json.status).toBe('connecting'));
    const [one, two] = others(owner);
    const origin = new URL(one.url).origin;
    const player = await fetch(`${one.url}/${id}/whep`, {
      ...{ method: 'POST', body: 'v=0' },
      headers: { 'content-type': 'application/sdp' },
    });
    expect([player.status, await player.text()]).toEqual([201, 'the answer']);
    const place = player.headers.get('location') ?? '';
    const trickled = await fetch(new URL(place, two.url), {
      ...{ method: 'PATCH', body: 'a candidate' },
      headers: { 'content-type': 'application/trickle-ice-sdpfrag' },
    });
    expect(trickled.status).toBe(204);
    expect((owner.parts.peers[0] as FakeAnsweringPeer).fragments).toEqual(['a candidate']);
    expect((await ask(new URL(place, origin).href, { method: 'DELETE' })).status).toBe(200);
    const made = await postJson(`${one.url}/${id}/recordings`, { format: 'mp4' });
    expect(made.status).toBe(201);
    const recording = new URL(made.headers.get('location') ?? '', two.url).href;
    expect((await ask(recording, { method: 'DELETE' })).json).toMatchObject({ status: 'finished' });
    // It outlives its session, at every node.
    expect((await ask(`${one.url}/${id}`, { method: 'DELETE' })).status).toBe(204);
    for (const { url } of nodes) {
      const { json } = await ask(`${url}/${id}/recordings`);
      expect((json as { recordings: object[] }).recordings).toMatchObject([{ status: 'finished' }]);
      const part = await fetch(`${url}${new URL(recording).pathname.slice('/stream'.length)}/file`, {
        headers: { range: 'bytes=1-2' },
      });
      expect([part.status, await part.text()]).toEqual([206, 'il']);
    }
    await rm(directory, { recursive: true });
  });

  it('lets the owner of a session act for it at every node, and nobody else', async () => {
    const first = await open(validated);
    const { id, owner } = await create(first, ANN);
    for (const { url } of nodes) {
      expect((await ask(`${url}/${id}`)).status).toBe(401);
      expect((await ask(`${url}/${id}`, { headers: BEN })).status).toBe(200);
      expect((await ask(`${url}/${id}`, { method: 'DELETE', headers: BEN })).json.error.code).toBe(
        'forbidden',
      );
      const viewer = { authorization: 'viewer ann' };
      expect((await ask(`${url}/${id}`, { method: 'DELETE', headers: viewer })).status).toBe(403);
    }
    const [elsewhere] = others(owner);
    expect((await ask(`${elsewhere.url}/${id}`, { method: 'DELETE', headers: ANN })).status).toBe(204);
  });

  it('gives a forged signature nothing', async () => {
    const first = await open(validated);
    const { id, owner } = await create(first, ANN);
    const claims = { to: owner.nodeId, role: 'operator', key: 'x', limits: {}, prefix: '', once: '1' };
    const signed = `skp1.${Buffer.from(JSON.stringify({ ...claims, until: Date.now() + 9999 })).toString('base64url')}`;
    const tag = createHmac('sha256', `${CLUSTER_SECRET}!`).update(signed).digest('base64url');
    for (const passport of ['', 'skp1.e30.x', signed, `${signed}.${tag}`, 'x'.repeat(9000)]) {
      // Not even what the caller could do without it.
      const answer = await ask(`${owner.url}/${id}`, { headers: { ...ANN, [PASSPORT_HEADER]: passport } });
      expect([answer.status, answer.json.error.code]).toEqual([403, 'forbidden']);
    }
  });

  it('passes a WebSocket on', async () => {
    const first = await open();
    const { id, owner } = await create(first);
    owner.parts.launches[0]?.succeed();
    await until(async () => expect((await ask(`${owner.url}/${id}`)).json.status).toBe('connecting'));
    const [elsewhere] = others(owner);
    const address = elsewhere.url.replace('http', 'ws');
    const socket = new WebSocket(`${address}/${id}/stream`);
    const messages: string[] = [];
    socket.on('message', (data, isBinary) => {
      if (!isBinary) messages.push((data as Buffer).toString());
    });
    await until(() => expect(messages.some((text) => text.includes('session-meta'))).toBe(true));
    socket.send('no JSON');
    await until(() => expect(messages.some((text) => text.includes('bad_message'))).toBe(true));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await ask(`${owner.url}/${id}`, { method: 'DELETE' });
    await closed;
    await until(async () => {
      const refused = new WebSocket(`${address}/00000000-0000-4000-8000-000000000000/stream`);
      const status = await new Promise((resolve) => {
        refused.on('unexpected-response', (_request, response) => resolve(response.statusCode));
        refused.on('error', () => undefined);
      });
      expect(status).toBe(404);
    });
  });

  it('creates a session where there is room, and refuses it where there is none', async () => {
    const first = await open({}, [1, 3, 2]);
    await until(async () => {
      await postJson(first.url, PAGE);
      expect(nodes.map(({ router }) => router.sessions.list().length)).toEqual([1, 3, 2]);
    });
    const last = await postJson(first.url, PAGE);
    expect([last.status, last.json.error.code]).toEqual([429, 'at_capacity']);
    expect(last.headers.get('retry-after')).toBe('5');
    expect(last.headers.get(NO_ROOM_HEADER)).toBeNull();
  });

  it('creates a session at a node that has what it asks for', async () => {
    const places = [
      { region: 'eu', gpu: false, maxSessions: 2 },
      { region: 'us', gpu: false, maxSessions: 9 },
      { region: 'us', gpu: true, maxSessions: 1 },
    ];
    const opened = places.map(({ region, gpu, maxSessions }, index) => {
      const options = (url: string): StreamKitOptions => ({
        maxSessions,
        cluster: {
          redis: redis.url,
          nodeId: `node-${index}`,
          advertiseUrl: url,
          secret: CLUSTER_SECRET,
          region,
        },
      });
      const parts = { drawsOnGpu: () => gpu, directoryTimeoutMs: PATIENCE_MS };
      return openClusterNode(`node-${index}`, redis.url, options, parts);
    });
    nodes = await Promise.all(opened);
    const [eu, us, gpu] = nodes as [ClusterTestNode, ClusterTestNode, ClusterTestNode];
    const post = (at: ClusterTestNode, placement?: object): ReturnType<typeof postJson> =>
      postJson(at.url, { ...PAGE, ...(placement === undefined ? {} : { placement }) });
    // Each knows of the others after a beat.
    await until(async () => expect((await post(us, { region: 'eu' })).status).toBe(201));
    const sessions = (): number[] => nodes.map(({ router }) => router.sessions.list().length);
    expect(sessions()).toEqual([1, 0, 0]);
    await until(async () => expect((await post(eu, { gpu: true, region: 'us' })).status).toBe(201));
    expect(sessions()).toEqual([1, 0, 1]);
    const full = await post(eu, { gpu: true });
    expect([full.status, full.json.error.code]).toEqual([429, 'at_capacity']);
    expect(full.headers.get('retry-after')).toBe('5');
    for (const placement of [{ gpu: true, region: 'eu' }, { region: 'asia' }]) {
      const none = await post(gpu, placement);
      expect([none.status, none.json.error.code]).toEqual([422, 'no_suitable_node']);
    }
    // Nodes of another region have more room: they are for when this one is full.
    expect((await post(eu)).status).toBe(201);
    expect(sessions()).toEqual([2, 0, 1]);
    expect((await post(eu)).status).toBe(201);
    expect(sessions()).toEqual([2, 1, 1]);
  });

  it('asks no other node for a session that its caller may not have, and leaves none behind', async () => {
    const most = { ann: {}, ben: { maxSessions: 1 }, eve: { maxViewers: 1 } };
    const first = await open(
      {
        validateRequest: ({ headers }) => {
          const callerId = headers.authorization as keyof typeof most;
          return { authorized: true, role: 'owner', callerId, limits: most[callerId] };
        },
      },
      // More than can be made before the first knows both others.
      [1, 1000, 1000],
    );
    await until(async () => {
      await create(first, { authorization: 'ann' });
      expect(nodes.every(({ router }) => router.sessions.list().length > 0)).toBe(true);
    });
    // The first is full: it passes on what comes.
    let passed = 0;
    for (const { server } of nodes) {
      server.on('request', ({ headers, method }) => {
        if (method === 'POST' && headers[PASSPORT_HEADER.toLowerCase()] !== undefined) passed += 1;
      });
    }
    const count = (): number => nodes.flatMap(({ router }) => router.sessions.list()).length;
    await create(first, { authorization: 'ben' });
    const stream = await EventStreamClient.open(first.url, {
      ...{ method: 'POST', body: JSON.stringify(PAGE) },
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: 'eve' },
    });
    await stream.signal('viewer');
    const before = count();
    passed = 0;
    const sessions = await postJson(first.url, PAGE, { authorization: 'ben' });
    expect([sessions.status, sessions.json.error.message, passed]).toEqual([
      ...[429, 'This caller has as many sessions as it may', 1],
    ]);
    const viewers = await postJson(first.url, PAGE, { authorization: 'eve', accept: 'text/event-stream' });
    expect([viewers.status, viewers.json.error.message, passed]).toEqual([
      ...[429, 'This caller has as many viewers as it may', 2],
    ]);
    expect(count()).toBe(before);
    stream.abort();
  });

  it('creates one session for one idempotency key, at whichever node it comes', async () => {
    const first = await open();
    const { owner } = await create(first);
    const key = { 'idempotency-key': 'once' };
    const answers = await Promise.all(
      [...nodes, ...nodes].map(({ url }) =>
        until(async () => {
          const answer = await postJson(url, PAGE, key);
          expect(answer.status).toBe(201);
          return answer;
        }),
      ),
    );
    const ids = new Set(answers.map(({ json }) => (json as { streamId: string }).streamId));
    expect(ids.size).toBe(1);
    expect(answers.every(({ json }) => json.initialState.streamId === json.streamId)).toBe(true);
    expect(nodes.flatMap(({ router }) => router.sessions.list())).toHaveLength(2);
    const other = await postJson(owner.url, { targetUrl: 'https://other.example.org/' }, key);
    expect([other.status, other.json.error.code]).toEqual([422, 'unprocessable']);
    expect((await postJson(owner.url, PAGE, { 'idempotency-key': 'two words' })).status).toBe(400);
  });

  it('opens the event stream of a session that is created elsewhere', async () => {
    const first = await open({}, [1, 5, 5]);
    await until(async () => {
      await create(first);
      expect(nodes.filter(({ router }) => router.sessions.list().length > 0).length).toBeGreaterThan(1);
    });
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify(PAGE),
    };
    const streams = await Promise.all([1, 2, 3].map(() => EventStreamClient.open(first.url, init)));
    for (const stream of streams) {
      const { streamId } = await stream.signal<{ streamId: string }>('session');
      expect((await ask(`${first.url}/${streamId}`)).status).toBe(200);
      stream.abort();
    }
  });

  it('lists the sessions of all nodes, to each caller its own', async () => {
    const first = await open(validated);
    const ids = new Set<string>();
    await until(async () => {
      ids.add((await create(first, ANN)).id);
      expect(nodes.every(({ router }) => router.sessions.list().length > 0)).toBe(true);
    });
    for (const { url } of nodes) {
      await until(async () => {
        const { json } = await ask(url, { headers: ANN });
        const listed = (json as { sessions: { streamId: string }[] }).sessions.map(
          ({ streamId }) => streamId,
        );
        expect(new Set(listed)).toEqual(ids);
      });
      expect((await ask(url, { headers: BEN })).json).toEqual({ sessions: [] });
    }
  });

  it('counts the sessions and viewers of a caller at all nodes, and each node alone without Redis', async () => {
    const limits = { maxSessions: 2, maxViewers: 2 };
    const real = new Redis(redis.url);
    let isAway = false;
    const first = await open(
      { validateRequest: () => ({ authorized: true, callerId: 'ann', limits }) },
      [10, 10, 10],
      { call: (...command) => (isAway ? Promise.reject(new Error('away')) : real.call(...command)) },
    );
    await until(async () =>
      expect(nodes.filter(({ router }) => router.sessions.list().length > 0).length).toBe(
        await spread(first),
      ),
    );
    const ids = nodes.flatMap(({ router }) => router.sessions.list().map(({ id }) => id));
    expect(ids).toHaveLength(2);
    for (const { url } of nodes) {
      const refused = await postJson(url, PAGE);
      expect([refused.status, refused.json.error.message]).toEqual([
        429,
        'This caller has as many sessions as it may',
      ]);
    }
    const [one = '', two = ''] = ids;
    const streams = await Promise.all(
      ids.map((id, index) => EventStreamClient.open(`${nodes[index]?.url}/${id}/sse`)),
    );
    for (const stream of streams) await stream.signal('viewer');
    for (const { url } of nodes) expect((await ask(`${url}/${one}/sse`)).status).toBe(429);
    // One that comes back takes no other seat.
    const { viewerId } = (await streams[0]?.signal<{ viewerId: string }>('viewer')) ?? { viewerId: '' };
    const again = await EventStreamClient.open(`${nodes[2]?.url}/${one}/sse?viewerId=${viewerId}`);
    expect((await again.signal<{ viewerId: string }>('viewer')).viewerId).toBe(viewerId);
    // Whatever has ended counts nowhere from the moment that this is told.
    expect((await ask(`${first.url}/${two}`, { method: 'DELETE' })).status).toBe(204);
    let three = '';
    await until(async () => {
      if (three !== '') await ask(`${first.url}/${three}`, { method: 'DELETE' });
      ({ id: three } = await create(nodes[2] ?? first));
      expect(ownerOf(three)).not.toBe(ownerOf(one));
    });
    const third = await EventStreamClient.open(`${nodes[1]?.url}/${three}/sse`);
    await third.signal('viewer');
    expect((await ask(`${nodes[0]?.url}/${three}/sse`)).status).toBe(429);
    isAway = true;
    // The node has one of the two viewers, and knows of no other.
    const { url } = ownerOf(three);
    const more = await EventStreamClient.open(`${url}/${three}/sse`);
    await more.signal('viewer');
    expect((await ask(`${url}/${three}/sse`)).status).toBe(429);
    for (const stream of [...streams, again, third, more]) stream.abort();
    isAway = false;
    await Promise.all(nodes.splice(0).map((node) => node.close()));
    real.disconnect();
  });

  /** One more session somewhere, until the caller has two at two nodes; one at a time. @returns 2. */
  async function spread(first: ClusterTestNode): Promise<number> {
    const made = nodes.flatMap(({ router }) => router.sessions.list());
    const used = nodes.filter(({ router }) => router.sessions.list().length > 0);
    if (made.length === 2 && used.length === 1) await made[1]?.end();
    else if (made.length < 2) await postJson(first.url, PAGE);
    return 2;
  }

  it('counts the rates of a caller at all nodes', async () => {
    const real = new Redis(redis.url);
    // In Redis buckets take hours to fill again: how long the test takes does not count.
    const slow: RedisClient = {
      call: (command, ...parameters) => {
        if (parameters[0] !== TAKE_TOKEN) return real.call(command, ...parameters);
        const times = parameters.slice(-2).map((us) => Number(us) * 1000);
        return real.call(command, ...parameters.slice(0, -2), ...times);
      },
    };
    const rateLimits = { joinsPerMinute: 4, sessionsPerMinute: 120 };
    const first = await open({ ...validated, rateLimits }, [10, 10, 10], slow);
    const ids: string[] = [];
    await until(async () => {
      ids.push((await create(first, ANN)).id);
      expect(nodes.every(({ router }) => router.sessions.list().length > 0)).toBe(true);
    });
    const join = async (id: string, headers: Record<string, string>): Promise<number> => {
      const stream = await EventStreamClient.open(`${first.url}/${id}/sse`, { headers });
      stream.abort();
      return stream.response.status;
    };
    const joined = nodes.map(({ router }) => router.sessions.list()[0]?.id ?? '');
    const statuses: number[] = [];
    for (const id of [...joined, ...joined]) statuses.push(await join(id, BEN));
    expect(statuses).toEqual([200, 200, 200, 200, 429, 429]);
    expect(await join(joined[0] ?? '', ANN)).toBe(200);
    await Promise.all(nodes.splice(0).map((node) => node.close()));
    real.disconnect();
  });

  it('ends a session whose client has gone before it was told of it, at whichever node it is', async () => {
    const real = new Redis(redis.url);
    let claiming: Promise<unknown> = Promise.resolve();
    const gated: RedisClient = {
      call: async (command, ...parameters) => {
        if (parameters[0] === CLAIM) await claiming;
        return real.call(command, ...parameters);
      },
    };
    nodes = await Promise.all([0, 1, 2].map((index) => openClusterNode(`node-${index}`, gated)));
    const [first] = nodes;
    if (first === undefined) throw new Error('There is no node');
    const { id } = await create(first);
    const count = (): number => nodes.flatMap(({ router }) => router.sessions.list()).length;
    const owners = new Set<string>();
    for (let round = 0; round < 40 && owners.size < 2; round++) {
      let goOn = (): void => undefined;
      claiming = new Promise<void>((resolve) => (goOn = resolve));
      const gone = new AbortController();
      const closed = new Promise((resolve) =>
        first.server.once('request', (_request, response) => response.once('close', resolve)),
      );
      const asked = fetch(first.url, {
        ...{ method: 'POST', body: JSON.stringify(PAGE), signal: gone.signal },
        headers: { 'content-type': 'application/json' },
      }).catch((thrown: unknown) => thrown);
      await until(() => expect(count()).toBe(2));
      const made = nodes.find(({ router }) => router.sessions.list().some((session) => session.id !== id));
      owners.add(made === first ? 'here' : 'elsewhere');
      gone.abort();
      expect(await asked).toBeInstanceOf(Error);
      await closed;
      goOn();
      await until(() => expect(count()).toBe(1));
    }
    expect(owners.size).toBe(2);
    expect((await ask(`${first.url}/${id}`)).status).toBe(200);
    await Promise.all(nodes.splice(0).map((node) => node.close()));
    real.disconnect();
  });

  it('closes a node through which others are watched', async () => {
    const first = await open();
    const { id, owner } = await create(first);
    owner.parts.launches[0]?.succeed();
    await until(async () => expect((await ask(`${owner.url}/${id}`)).json.status).toBe('connecting'));
    const [between] = others(owner);
    const stream = await EventStreamClient.open(`${between.url}/${id}/sse`);
    await stream.signal('viewer');
    const socket = new WebSocket(`${between.url.replace('http', 'ws')}/${id}/stream`);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await new Promise((resolve) => socket.once('message', resolve));
    await between.router.close();
    await closed;
    await stream.untilEnd();
    // The session goes on.
    expect(stream.text).not.toContain('"closed"');
    expect((await ask(`${owner.url}/${id}`)).status).toBe(200);
  });
});
