import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import type { Answer, RouterServer } from '../../helpers/router-server.js';
import { ask, postJson, serveRouter } from '../../helpers/router-server.js';
import type { FakeAnsweringPeer } from '../../helpers/session-fakes.js';
import { settle } from '../../helpers/virtual-clock.js';

// By the points of the checklist of draft-ietf-wish-whep.
let server: RouterServer;

beforeEach(async () => {
  server = await serveRouter({
    maxViewersPerSession: 2,
    iceServers: [
      { urls: 'stun:stun.example.org' },
      {
        urls: ['turn:turn.example.org?transport=udp', 'turns:turn.example.org'],
        username: 'a"b',
        credential: 'c\\d',
      },
      { urls: 'turn:turn.example.org', username: 'ünsendable', credential: 'x' },
    ],
    validateRequest: ({ headers }) => ({ authorized: headers.authorization !== 'Bearer wrong' }),
  });
});
afterEach(async () => {
  await server.close();
  expect(server.parts.clock.pendingTimers).toBe(0);
});

const FRAGMENT = { 'content-type': 'application/trickle-ice-sdpfrag' };

async function session(live = true): Promise<string> {
  const { json } = await postJson(`${server.url}/`, { targetUrl: 'https://game.example.org/' });
  if (live) {
    server.parts.launches.at(-1)?.succeed();
    await settle();
  }
  return `${server.url}/${json.streamId}`;
}

function offer(url: string, body = 'v=0', headers: Record<string, string> = {}): Promise<Answer> {
  const type = { 'content-type': 'application/sdp' };
  return ask(`${url}/whep`, { method: 'POST', headers: { ...type, ...headers }, body });
}

async function joined(): Promise<{ url: string; resource: string; etag: string; peer: FakeAnsweringPeer }> {
  const url = await session();
  const { status, headers } = await offer(url);
  expect(status).toBe(201);
  const resource = new URL(headers.get('location') ?? '', url).href;
  const peer = server.parts.peers.at(-1) as FakeAnsweringPeer;
  return { url, resource, etag: headers.get('etag') ?? '', peer };
}

const patch = (url: string, body: string, headers: Record<string, string> = {}): Promise<Answer> =>
  ask(url, { method: 'PATCH', headers: { ...FRAGMENT, ...headers }, body });

const viewersOf = async (url: string): Promise<unknown> => (await ask(url)).json.metadata.viewers;

describe('the offer of a player', () => {
  it('is answered with where the player now is', async () => {
    const url = await session();
    const init = { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: 'v=0' };
    const response = await fetch(`${url}/whep`, init);
    expect([response.status, await response.text()]).toEqual([201, 'the answer']);
    expect(response.headers.get('content-type')).toBe('application/sdp');
    expect(response.headers.get('location')).toMatch(new RegExp(`^${new URL(url).pathname}/whep/\\S+$`));
    expect(response.headers.get('etag')).toMatch(/^"[^"]+"$/);
    expect(response.headers.get('access-control-expose-headers')).toBe('Location, ETag, Link');
    expect(response.headers.get('link')).toBe(
      [
        '<stun:stun.example.org>; rel="ice-server"',
        ...['turn:turn.example.org?transport=udp', 'turns:turn.example.org'].map(
          (turn) =>
            `<${turn}>; rel="ice-server"; username="a\\"b"; credential="c\\\\d"; credential-type="password"`,
        ),
      ].join(', '),
    );
  });

  it.each([
    ['of another type', 'v=0', { 'content-type': 'application/json' }, 415],
    ['without a type', 'v=0', { 'content-type': '' }, 415],
    ['that asks for an offer', '', {}, 415],
    ['that cannot be served', 'bad', {}, 422],
    ['that is too large', 'v'.repeat(64 * 1024 + 1), {}, 413],
    ['of nobody', 'v=0', { authorization: 'Bearer wrong' }, 401],
  ])('%s is refused', async (_, body, headers, status) => {
    const url = await session();
    expect((await offer(url, body, headers as Record<string, string>)).status).toBe(status);
    expect(await viewersOf(url)).toBe(0);
    expect(server.parts.peers.filter(({ closed }) => !closed)).toEqual([]);
  });

  it('waits for a page, a session and room', async () => {
    const url = await session(false);
    const early = await offer(url);
    expect([early.status, early.headers.get('retry-after')]).toEqual([409, '1']);
    server.parts.launches[0]?.succeed();
    await settle();
    expect([(await offer(url)).status, (await offer(url)).status]).toEqual([201, 201]);
    const full = await offer(url);
    expect([full.status, full.headers.get('retry-after'), full.json.error.code]).toEqual([
      503,
      '5',
      'at_capacity',
    ]);
    expect((await ask(`${url}/sse`)).status).toBe(429);
    expect((await offer(`${server.url}/6a3e0c5e-0000-4000-8000-000000000000`)).status).toBe(404);
  });

  it('makes a viewer that keeps the session and its encoders going', async () => {
    const { url, peer } = await joined();
    expect((await ask(url)).json).toMatchObject({ clientConnected: true, metadata: { viewers: 1 } });
    expect(server.parts.viewerCount).toBe(1);
    peer.connect('vp8');
    expect(server.parts.events.some((event) => event.startsWith('video start vp8'))).toBe(true);
    expect((await ask(url)).json.status).toBe('streaming');
    await server.parts.clock.advance(400_000);
    expect((await ask(url)).status).toBe(200);
  });
});

describe('PATCH', () => {
  it('takes candidates, with the entity tag and without', async () => {
    const { resource, etag, peer } = await joined();
    expect((await patch(resource, 'one')).status).toBe(204);
    expect((await patch(resource, 'two', { 'if-match': etag })).status).toBe(204);
    expect((await patch(resource, 'three', { 'if-match': '"other"' })).json.error.code).toBe(
      'precondition_failed',
    );
    expect((await patch(resource, 'four', { 'if-match': `W/${etag}` })).status).toBe(412);
    expect(peer.fragments).toEqual(['one', 'two']);
  });

  it('restarts ICE, after which the entity tag is another', async () => {
    const { resource, etag } = await joined();
    expect((await patch(resource, 'restart')).status).toBe(428);
    expect((await patch(resource, 'restart', { 'if-match': etag })).status).toBe(422);
    const init = { method: 'PATCH', headers: { ...FRAGMENT, 'if-match': '*' }, body: 'restart' };
    const restarted = await fetch(resource, init);
    expect([restarted.status, await restarted.text()]).toEqual([200, 'restart 1']);
    expect(restarted.headers.get('content-type')).toBe('application/trickle-ice-sdpfrag');
    const next = restarted.headers.get('etag') ?? '';
    expect(next).not.toBe(etag);
    expect((await patch(resource, 'late', { 'if-match': etag })).status).toBe(412);
    expect((await patch(resource, 'new', { 'if-match': next })).status).toBe(204);
  });

  it('keeps the player where it is refused', async () => {
    const { url, resource, peer } = await joined();
    expect(
      (await ask(resource, { method: 'PATCH', headers: { 'content-type': 'application/sdp' } })).status,
    ).toBe(415);
    peer.restart = () => Promise.reject(new StreamKitError('conflict', 'Too early'));
    expect((await patch(resource, 'restart', { 'if-match': '*' })).status).toBe(409);
    expect((await patch(resource, 'one', { authorization: 'Bearer wrong' })).status).toBe(401);
    expect(peer.closed).toBe(false);
    expect(await viewersOf(url)).toBe(1);
  });
});

describe('the end of a player', () => {
  it('is DELETE, whatever the entity tag, and after it there is none', async () => {
    const { url, resource, peer } = await joined();
    const wrong = { method: 'DELETE', headers: { authorization: 'Bearer wrong' } };
    expect((await ask(resource, wrong)).status).toBe(401);
    const init = { method: 'DELETE', headers: { 'if-match': '"other"' } };
    expect((await ask(resource, init)).status).toBe(200);
    expect(peer.closed).toBe(true);
    expect(await viewersOf(url)).toBe(0);
    for (const method of ['DELETE', 'GET']) expect((await ask(resource, { method })).status).toBe(404);
    expect((await patch(resource, 'one')).status).toBe(404);
  });

  it('is that of its peer', async () => {
    const { url, resource, peer } = await joined();
    peer.connect();
    peer.listener.onFailed(new StreamKitError('unavailable', 'Gone'));
    await settle();
    expect(await viewersOf(url)).toBe(0);
    expect((await ask(resource)).status).toBe(404);
  });

  it('is that of its session', async () => {
    const { url, resource, peer } = await joined();
    expect((await ask(url, { method: 'DELETE' })).status).toBe(204);
    expect(peer.closed).toBe(true);
    expect((await ask(resource, { method: 'DELETE' })).status).toBe(404);
  });

  it('is not in the hands of another session', async () => {
    const { resource, peer } = await joined();
    const other = await session();
    const elsewhere = `${other}/whep/${resource.slice(resource.lastIndexOf('/') + 1)}`;
    expect((await ask(elsewhere, { method: 'DELETE' })).status).toBe(404);
    expect(peer.closed).toBe(false);
  });
});

describe('other methods', () => {
  it('GET and HEAD have no content', async () => {
    const { url, resource } = await joined();
    for (const path of [`${url}/whep`, resource]) {
      for (const method of ['GET', 'HEAD']) expect((await ask(path, { method })).status).toBe(204);
    }
  });

  it('OPTIONS tells what to send, to anybody, and no credentials', async () => {
    const { url, resource } = await joined();
    const init = { method: 'OPTIONS', headers: { authorization: 'Bearer wrong' } };
    const endpoint = await ask(`${url}/whep`, init);
    expect([endpoint.status, endpoint.headers.get('accept-post')]).toEqual([204, 'application/sdp']);
    expect(endpoint.headers.get('allow')).toBe('GET, HEAD, POST, OPTIONS');
    expect(endpoint.headers.get('link')).toBeNull();
    const player = await ask(resource, init);
    expect(player.headers.get('accept-patch')).toBe('application/trickle-ice-sdpfrag');
    expect(player.headers.get('allow')).toBe('GET, HEAD, PATCH, DELETE, OPTIONS');
  });

  it('are refused with what there is', async () => {
    const { url, resource } = await joined();
    const put = await ask(`${url}/whep`, { method: 'PUT' });
    expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST, OPTIONS']);
    expect((await ask(resource, { method: 'POST' })).status).toBe(405);
  });
});
