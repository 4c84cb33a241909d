import { once } from 'node:events';

import { afterEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import type { StreamKitOptions } from '../../../src/options/stream-kit-options.js';
import { until } from '../../helpers/patience.js';
import type { RouterServer } from '../../helpers/router-server.js';
import { ask, postJson, serveRouter } from '../../helpers/router-server.js';
import { settle } from '../../helpers/virtual-clock.js';

let server: RouterServer;
afterEach(async () => {
  await server.close();
  expect(server.parts.clock.pendingTimers).toBe(0);
});

async function serve(options: StreamKitOptions = {}): Promise<string> {
  server = await serveRouter({ streamKitWeb: true, ...options });
  server.router.attach(server.server);
  return `${server.url}/session`;
}

const WANTED = {
  renderUrl: 'https://game.example.org/',
  renderOptions: { resolution: '720p', targetFps: 60 },
};

async function create(url: string, body: object = WANTED, headers = {}): Promise<any> {
  const { status, json } = await postJson(url, body, headers);
  expect(status).toBe(201);
  return json;
}

async function live(url: string): Promise<any> {
  const created = await create(url);
  server.parts.launches.at(-1)?.succeed();
  await settle();
  return created;
}

const patch = (url: string, body: object) =>
  ask(url, { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** The status of an upgrade; 101 closes it again. */
async function upgrade(url: string, headers: Record<string, string> = {}): Promise<number> {
  const socket = new WebSocket(url, { headers });
  socket.on('error', () => undefined);
  const status = await new Promise<number>((resolve) => {
    socket.once('open', () => resolve(101));
    socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
  });
  socket.terminate();
  return status;
}

it('ends a session whose client is gone before it was told of it', async () => {
  let goOn = (): void => undefined;
  let asked = (): void => undefined;
  const isAsked = new Promise<void>((resolve) => (asked = resolve));
  const answered = new Promise<void>((resolve) => (goOn = resolve));
  const url = await serve({
    iceServers: async () => {
      asked();
      await answered;
      return [];
    },
  });
  const gone = new AbortController();
  const closed = new Promise((resolve) =>
    server.server.once('request', (_request, response) => response.once('close', resolve)),
  );
  const created = fetch(url, {
    ...{ method: 'POST', body: JSON.stringify(WANTED), signal: gone.signal },
    headers: { 'content-type': 'application/json' },
  }).catch((thrown: unknown) => thrown);
  await isAsked;
  expect(server.router.sessions.list()).toHaveLength(1);
  gone.abort();
  expect(await created).toBeInstanceOf(Error);
  await closed;
  goOn();
  await until(() => expect(server.router.sessions.list()).toEqual([]));
});

it('creates a session in the terms of stream-kit-web', async () => {
  const url = await serve();
  const { sessionId, status, signalingUrl, iceServers } = await create(url, {
    ...WANTED,
    renderOptions: { resolution: '1080p', targetFps: 120, quality: 'low', region: 'x' },
    initialData: { a: 1 },
  });
  expect([status, iceServers]).toEqual(['initializing', []]);
  const { host } = new URL(url);
  expect(signalingUrl).toMatch(
    new RegExp(`^ws://${host}/session/${sessionId}/signaling\\?ticket=[\\w-]{32}$`),
  );
  const { parameters } = server.parts.launches[0] ?? {};
  expect(parameters).toMatchObject({
    width: 1920,
    height: 1080,
    frameRate: 60,
    initialData: { a: 1 },
  });
});

it.each([
  [{ resolution: '4k' }, { width: 3840, height: 2160 }],
  [{ resolution: '1440p' }, { width: 2560, height: 1440 }],
  [{ resolution: '1280x720' }, { width: 1280, height: 720 }],
  [{ targetFps: 24.9 }, { frameRate: 24 }],
])('understands %o', async (renderOptions, expected) => {
  await create(await serve(), { ...WANTED, renderOptions });
  expect(server.parts.launches[0]?.parameters).toMatchObject(expected);
});

it('lowers what it is asked for to the limits of the caller', async () => {
  const limits = { maxPixels: 640 * 360, maxFrameRate: 20 };
  await create(await serve({ validateRequest: () => ({ authorized: true, limits }) }));
  const { width = 0, height = 0, frameRate } = server.parts.launches[0]?.parameters ?? {};
  expect(width * height).toBeLessThanOrEqual(640 * 360);
  expect(frameRate).toBe(20);
});

it.each([
  [{ resolution: '8k' }],
  [{ resolution: 7 }],
  [{ resolution: '9999x9999' }],
  [{ targetFps: '60' }],
  [{ targetFps: 0 }],
  [{ quality: 'toString' }],
  ['fast'],
])('refuses the render options %o', async (renderOptions) => {
  const { status, json } = await postJson(await serve(), { ...WANTED, renderOptions });
  expect([status, json.error.code]).toEqual([400, 'bad_request']);
  expect(json.error.message).toMatch(/renderOptions/);
  expect(server.parts.launches).toEqual([]);
});

it('names the address of the signaling as clients see it', async () => {
  await serve({ trustProxy: 1, basePath: '/render', validateRequest: () => ({ authorized: true }) });
  const proxied = `${server.url}/render/session`;
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'play.example' };
  const { signalingUrl } = await create(proxied, WANTED, headers);
  expect(signalingUrl).toMatch(/^wss:\/\/play\.example\/render\/session\//);
  await server.close();
  const told = await serve({ streamKitWeb: { publicUrl: 'https://example.org/stream/' } });
  expect((await create(told)).signalingUrl).toMatch(/^wss:\/\/example\.org\/stream\/session\//);
});

it('updates the page and the render options', async () => {
  const url = await serve();
  const early = await create(url);
  const refused = await patch(`${url}/${early.sessionId}`, { renderOptions: { resolution: '720p' } });
  expect([refused.status, refused.json.error.code]).toEqual([503, 'unavailable']);
  server.parts.launches[0]?.succeed();
  await settle();
  const { status, json } = await patch(`${url}/${early.sessionId}`, {
    renderOptions: { resolution: '640x360', targetFps: 30, quality: 'high' },
    sceneData: { score: 1 },
  });
  expect([status, json.applied]).toEqual([200, ['renderOptions', 'sceneData']]);
  expect(json.effective).toMatchObject({ resolution: '640x360', targetFps: 30 });
  expect(server.parts.pageStates).toEqual([{ score: 1 }]);
});

it('changes nothing of an update of which a part is refused', async () => {
  const url = await serve();
  const early = await create(url);
  const both = { renderOptions: { resolution: '640x360' }, sceneData: { score: 1 } };
  expect((await patch(`${url}/${early.sessionId}`, both)).status).toBe(503);
  server.parts.launches[0]?.succeed();
  await settle();
  expect(server.parts.pageStates).toEqual([]);
  const page = `${url}/${early.sessionId}`;
  const tooLarge = await patch(page, { ...both, sceneData: 'x'.repeat(256 * 1024) });
  expect([tooLarge.status, tooLarge.json.error.code]).toEqual([413, 'too_large']);
  const unknown = await patch(page, { ...both, renderOptions: { resolution: '8k' } });
  expect(unknown.status).toBe(400);
  expect(server.parts.pageStates).toEqual([]);
  expect(server.router.sessions.get(early.sessionId).state.metadata.video).toMatchObject({ width: 1280 });
  expect((await patch(page, both)).json.applied).toEqual(['renderOptions', 'sceneData']);
  expect(server.parts.pageStates).toEqual([{ score: 1 }]);
});

it('sends the page what it is sent, and refuses what is no event', async () => {
  const url = await serve();
  const { sessionId } = await live(url);
  const event = { type: 'command', data: { command: 'reset', args: [1] } };
  expect((await postJson(`${url}/${sessionId}/input`, event)).json).toMatchObject({ received: true });
  expect(server.parts.messagesToPage).toEqual([event]);
  for (const bad of [{ type: 'other', data: {} }, { type: 'command' }, [], { ...event, data: [] }]) {
    expect((await postJson(`${url}/${sessionId}/input`, bad)).status).toBe(400);
  }
  expect((await postJson(`${url}/nobody/input`, event)).status).toBe(404);
});

it('ends a session with what it has used', async () => {
  const url = await serve();
  const { sessionId } = await live(url);
  const { status, json } = await ask(`${url}/${sessionId}`, { method: 'DELETE' });
  expect([status, json.status, json.sessionId]).toEqual([200, 'terminated', sessionId]);
  expect(Object.keys(json.usage)).toEqual(['duration', 'dataTransferred', 'renderUnitTime']);
  expect((await ask(`${url}/${sessionId}`, { method: 'DELETE' })).status).toBe(404);
});

it('asks for the rights that the other routes ask for', async () => {
  let role: 'viewer' | 'owner' = 'viewer';
  let callerId = 'ann';
  const url = await serve({ validateRequest: () => ({ authorized: true, role, callerId }) });
  expect((await postJson(url, WANTED)).status).toBe(403);
  role = 'owner';
  const { sessionId } = await live(url);
  callerId = 'bob';
  expect((await patch(`${url}/${sessionId}`, { sceneData: 1 })).status).toBe(403);
  expect((await ask(`${url}/${sessionId}`, { method: 'DELETE' })).status).toBe(403);
  role = 'viewer';
  expect((await postJson(`${url}/${sessionId}/input`, { type: 'command', data: {} })).status).toBe(403);
});

it('lets nobody signal without a ticket or the right to watch', async () => {
  let authorized = true;
  const url = await serve({
    validateRequest: () => ({ authorized }),
    cors: { origins: ['https://friend.example'] },
    maxViewersPerSession: 2,
  });
  const { sessionId, signalingUrl } = await live(url);
  const other = (await live(url)).signalingUrl.split('?')[1];
  authorized = false;
  const bare = signalingUrl.split('?')[0];
  expect(await upgrade(bare)).toBe(401);
  expect(await upgrade(`${bare}?ticket=`)).toBe(401);
  expect(await upgrade(`${bare}?${other}`)).toBe(401);
  expect(await upgrade(signalingUrl, { origin: 'https://foe.example' })).toBe(403);
  expect(await upgrade(signalingUrl, { origin: 'https://friend.example' })).toBe(101);
  authorized = true;
  expect(await upgrade(bare)).toBe(101);
  expect((await ask(bare.replace('ws', 'http'))).status).toBe(426);
  // Both are away now, and give way.
  const open = [new WebSocket(signalingUrl), new WebSocket(signalingUrl)];
  await Promise.all(open.map((socket) => once(socket, 'open')));
  expect(await upgrade(signalingUrl)).toBe(429);
  await server.router.sessions.get(sessionId).end();
  expect(await upgrade(signalingUrl)).toBe(404);
});

it('translates the signals of a viewer, and tells why a stream has ended', async () => {
  const url = await serve();
  const { sessionId, signalingUrl } = await live(url);
  const socket = new WebSocket(signalingUrl);
  const messages: any[] = [];
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString())));
  await expect.poll(() => messages.length).toBe(1);
  expect(messages[0]).toEqual({ type: 'offer', sdp: { type: 'offer', sdp: expect.any(String) } });
  const [peer] = server.parts.peers;
  peer?.listener.onIceCandidate({ candidate: 'candidate:1', sdpMid: '0' });
  peer?.listener.onIceCandidate(null);
  await expect.poll(() => messages.length).toBe(2);
  expect(messages[1]).toEqual({
    type: 'ice-candidate',
    candidate: { candidate: 'candidate:1', sdpMid: '0' },
  });
  const send = (message: unknown): void => socket.send(JSON.stringify(message));
  send({ type: 'answer', sdp: { type: 'answer', sdp: 'the answer' } });
  send({ type: 'ice-candidate', candidate: { candidate: 'candidate:2' } });
  await expect.poll(() => peer?.candidates.length).toBe(1);
  expect(peer?.answers).toEqual(['the answer']);
  socket.send('{');
  send({ type: 'answer', sdp: 7 });
  send({ type: 'hello' });
  await expect.poll(() => messages.length).toBe(5);
  expect(messages.slice(2).map(({ type }) => type)).toEqual(['error', 'error', 'error']);
  void server.router.sessions.get(sessionId).end();
  await once(socket, 'close');
  expect(messages.at(-1)).toEqual({ type: 'error', message: 'The stream has ended: deleted' });
});

it('is not there without the option', async () => {
  server = await serveRouter();
  const { status } = await postJson(`${server.url}/session`, WANTED);
  expect(status).toBe(405);
  server.router.attach(server.server);
  expect(await upgrade(`${server.url.replace('http', 'ws')}/session/a/signaling`)).toBe(404);
});
