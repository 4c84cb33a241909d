import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { MAX_BODY_BYTES } from '../../../src/http/json-body.js';
import { resolveOptions } from '../../../src/options/stream-kit-options.js';
import type { StreamKitRouter } from '../../../src/http/stream-kit-router.js';
import { composeRouter } from '../../../src/router.js';
import { HOST_OPTIONS, HOSTS, type Host } from '../../helpers/hosts.js';
import { ask, EventStreamClient, postJson } from '../../helpers/router-server.js';
import { type FakeAnsweringPeer, FakeParts } from '../../helpers/session-fakes.js';
import { settle } from '../../helpers/virtual-clock.js';

const target = { targetUrl: 'https://game.example.org/' };
const gzip = { 'accept-encoding': 'gzip' };

describe.each(Object.entries(HOSTS))('in %s', (name, open) => {
  let parts: FakeParts;
  let router: StreamKitRouter;
  let host: Host;
  /** Of a session that runs. */
  let url: string;
  const warnings: string[] = [];
  const onWarning = (warning: Error): void => void warnings.push(String(warning));

  beforeEach(async () => {
    warnings.length = 0;
    process.on('warning', onWarning);
    parts = new FakeParts();
    router = composeRouter(resolveOptions(HOST_OPTIONS), parts);
    host = await open(router);
    const { status, headers, json } = await postJson(host.url, target, {}, host.fetch);
    expect(status).toBe(201);
    url = new URL(headers.get('location') ?? '', host.origin).href;
    expect(url).toBe(`${host.url}/${json.streamId}`);
    parts.launches[0]?.succeed();
    await settle();
  });

  afterEach(async () => {
    await router.close();
    await host.close();
    process.off('warning', onWarning);
    expect(parts.clock.pendingTimers).toBe(0);
    expect(warnings).toEqual([]);
  });

  it('answers each kind of request', async () => {
    const state = await ask(`${url}?a=b`, { headers: gzip }, host.fetch);
    expect([state.status, state.json.status]).toEqual([200, 'connecting']);
    const compresses = /^(Express|Connect|Koa$)/.test(name);
    expect(state.headers.get('content-encoding')).toBe(compresses ? 'gzip' : null);
    if (name === 'Koa') expect(state.headers.get('x-late')).toBe('yes');
    if (name === 'Fastify') expect(state.headers.get('x-hook')).toBe('yes');

    const head = await host.fetch(`${url}/snapshot`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'image/png']);
    const picture = await host.fetch(`${url}/snapshot`);
    expect([...new Uint8Array(await picture.arrayBuffer())]).toEqual([1, 2, 3]);
    expect(picture.headers.get('content-type')).toBe('image/png');
    expect((await ask(url, { method: 'PUT' }, host.fetch)).headers.get('allow')).toContain('DELETE');
    expect((await ask(url, { method: 'OPTIONS' }, host.fetch)).status).toBe(204);
    expect((await ask(`${host.url}/nobody`, {}, host.fetch)).json.error.code).toBe('no_such_session');
    expect((await ask(`${host.url}/a/b/c/d/e`, {}, host.fetch)).status).toBe(404);
    expect((await ask(url, { method: 'DELETE' }, host.fetch)).status).toBe(204);
  });

  it('refuses bodies with its own errors', async () => {
    const post = (body: string, type = 'application/json') =>
      ask(host.url, { method: 'POST', headers: { 'content-type': type }, body }, host.fetch);
    expect((await post('{"targetUrl":7}')).json.error.code).toBe('bad_target_url');
    expect((await post('{}', 'text/plain')).json.error.code).toBe('unsupported_media_type');
    // A body parser in front has limits and errors of its own.
    if (/^(Express|Koa)/.test(name)) return;
    expect((await post('{')).json.error.code).toBe('bad_request');
    expect((await post(' '.repeat(MAX_BODY_BYTES + 1))).json.error.code).toBe('too_large');
    expect((await postJson(host.url, target, {}, host.fetch)).status).toBe(201);
  });

  it('sends events as they come, and takes signals', async () => {
    const stream = await EventStreamClient.open(`${url}/sse`, { headers: gzip }, host.fetch);
    expect(stream.response.headers.get('content-encoding')).toBeNull();
    expect(stream.response.headers.get('cache-control')).toBe('no-cache, no-transform');
    if (name === 'Fastify') expect(stream.response.headers.get('x-hook')).toBe('yes');
    const { viewerId } = await stream.signal<{ viewerId: string }>('viewer');
    expect(await stream.signal('sdp_offer')).toBe('offer 0');
    const answer = { viewerId, type: 'sdp_answer', payload: 'v=0' };
    expect((await postJson(`${url}/signal`, answer, {}, host.fetch)).status).toBe(204);
    expect(parts.peers[0]?.answers).toEqual(['v=0']);

    // Nothing follows that could push a patch out of some buffer.
    parts.launches[0]?.listener.onPageMetadata({ level: 7 }, 0);
    await parts.clock.advance(100);
    await stream.until(() => stream.text.includes('/level","value":7'));
    await router.close();
    await stream.untilEnd();
    expect(await stream.signal('closed')).toBeDefined();
  });

  it('answers players that offer, and takes what they send', async () => {
    const send = (path: string, method: string, type: string, body: string) =>
      host.fetch(path, { method, headers: { 'content-type': type }, body });
    const joined = await send(`${url}/whep`, 'POST', 'application/sdp', 'v=0');
    expect([joined.status, await joined.text()]).toEqual([201, 'the answer']);
    expect([joined.headers.get('content-type'), joined.headers.get('etag')]).toEqual([
      'application/sdp',
      '"1"',
    ]);
    const player = new URL(joined.headers.get('location') ?? '', host.origin).href;
    expect(player.startsWith(`${url}/whep/`)).toBe(true);
    const fragment = 'application/trickle-ice-sdpfrag';
    expect((await send(player, 'PATCH', fragment, 'a=candidate:é')).status).toBe(204);
    expect((parts.peers[0] as FakeAnsweringPeer).fragments).toEqual(['a=candidate:é']);
    expect((await send(`${url}/whep`, 'POST', 'text/plain', 'v=0')).status).toBe(415);
    const large = await send(`${url}/whep`, 'POST', 'application/sdp', 'v'.repeat(64 * 1024 + 1));
    expect(large.status).toBe(413);
    expect((await host.fetch(player, { method: 'DELETE' })).status).toBe(200);
    expect((await host.fetch(player)).status).toBe(404);
  });

  it('notices when a client goes away', async () => {
    const stream = await EventStreamClient.open(`${url}/sse?media=none`, {}, host.fetch);
    await stream.signal('viewer');
    expect((await ask(url, {}, host.fetch)).json.clientConnected).toBe(true);
    stream.abort();
    while ((await ask(url, {}, host.fetch)).json.clientConnected === true) await settle();
  });
});
