import { once } from 'node:events';
import { get } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { RouterServer } from '../../helpers/router-server.js';
import { ask, EventStreamClient, postJson, serveRouter } from '../../helpers/router-server.js';
import { settle } from '../../helpers/virtual-clock.js';

let server: RouterServer;
let url: string;
/** The server's end of the last connection. */
let lastResponse: ServerResponse;

beforeEach(async () => {
  server = await serveRouter({}, (router) => (request, response) => {
    lastResponse = response;
    void router(request, response);
  });
  const { json } = await postJson(`${server.url}/`, { targetUrl: 'https://game.example.org/' });
  url = `${server.url}/${json.streamId}`;
  server.parts.launches[0]?.succeed();
  await settle();
});
afterEach(async () => {
  await server.close();
  expect(server.parts.clock.pendingTimers).toBe(0);
});

/** Lets patches go out, and their bytes arrive. */
async function advance(stream: EventStreamClient, ms: number): Promise<void> {
  const before = stream.text.length;
  await server.parts.clock.advance(ms);
  await stream.until(() => stream.text.length > before);
}

async function closedOnServer(response: ServerResponse, act: () => void): Promise<void> {
  const closed = once(response, 'close');
  act();
  await closed;
}

describe('event stream', () => {
  it('has the headers that keep proxies from holding it back', async () => {
    const stream = await EventStreamClient.open(`${url}/sse`);
    const { headers } = stream.response;
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(headers.get('cache-control')).toBe('no-cache, no-transform');
    expect(headers.get('x-accel-buffering')).toBe('no');
    expect(headers.get('connection')).toBe('keep-alive');
    stream.abort();
  });

  it('asks for a quick retry once and shows that it lives every 15 s', async () => {
    const stream = await EventStreamClient.open(`${url}/sse?media=none`);
    await stream.until(() => stream.events.length >= 2);
    expect(stream.text.startsWith('retry: 1000\n\n')).toBe(true);
    await advance(stream, 1000);
    for (let count = 1; count <= 3; count++) {
      await server.parts.clock.advance(15_000);
      await stream.until(() => stream.text.split(': keep-alive\n\n').length === count + 1);
    }
    expect(stream.text.split('retry:')).toHaveLength(2);
    stream.abort();
  });

  it('numbers the patches and nothing else', async () => {
    const stream = await EventStreamClient.open(`${url}/sse`);
    await stream.signal('sdp_offer');
    await advance(stream, 100);
    const ids = stream.events.map((event) => [event.event, event.id === undefined]);
    expect(ids).toEqual([
      ['custom_signal', true],
      ['state_patch', false],
      ['custom_signal', true],
      ['state_patch', false],
    ]);
    stream.abort();
  });

  it('resumes by Last-Event-ID and re-attaches by viewerId', async () => {
    const stream = await EventStreamClient.open(`${url}/sse`);
    const connection = lastResponse;
    const { viewerId } = await stream.signal<{ viewerId: string }>('viewer');
    await stream.signal('sdp_offer');
    await postJson(`${url}/signal`, { viewerId, type: 'sdp_answer', payload: 'v=0' });
    await advance(stream, 100);
    const seen = stream.events.at(-1)?.id ?? NaN;
    await closedOnServer(connection, () => stream.abort());
    server.parts.launches[0]?.listener.onPageMetadata({ level: 1 }, 0);
    await server.parts.clock.advance(100);

    const back = await EventStreamClient.open(`${url}/sse?viewerId=${viewerId}`, {
      headers: { 'last-event-id': String(seen) },
    });
    expect(await back.signal('viewer')).toMatchObject({ viewerId });
    await back.until(() => back.events.length >= 2);
    expect(back.events[1]).toMatchObject({ event: 'state_patch', id: seen + 1 });
    await advance(back, 100);
    expect(back.text).not.toContain('sdp_offer');
    expect(server.parts.peers).toHaveLength(1);
    back.abort();
  });

  it.each(['abc', '-1', '99999', '1e9', ''])('starts anew for Last-Event-ID %j', async (id) => {
    const stream = await EventStreamClient.open(`${url}/sse`, { headers: { 'last-event-id': id } });
    await stream.until(() => stream.events.length >= 2);
    expect(stream.events[1]?.data).toMatchObject([{ op: 'replace', path: '' }]);
    stream.abort();
  });

  it('makes a new viewer for a viewerId that it does not know', async () => {
    const stream = await EventStreamClient.open(`${url}/sse?viewerId=${'x'.repeat(500)}`);
    const { viewerId } = await stream.signal<{ viewerId: string }>('viewer');
    expect(viewerId).toMatch(/^viewer-\d+$/);
    stream.abort();
  });

  it.each(['media=all', 'videoCodec=hevc', 'maxHeight=0', 'maxHeight=tall', 'maxBitrateBps=0'])(
    'refuses ?%s',
    async (query) => {
      const { status, json } = await ask(`${url}/sse?${query}`);
      expect([status, json.error.code]).toEqual([400, 'bad_request']);
      expect((await ask(url)).json.metadata.viewers).toBe(0);
    },
  );

  it.each(['vp9', 'av1', 'h265'])('refuses ?videoCodec=%s, which no option permits', async (codec) => {
    const { status, json } = await ask(`${url}/sse?videoCodec=${codec}`);
    expect([status, json.error.code]).toEqual([409, 'conflict']);
    expect((await ask(url)).json.metadata.viewers).toBe(0);
  });

  it('takes a hint of a height', async () => {
    const stream = await EventStreamClient.open(`${url}/sse?maxHeight=720`);
    expect(stream.response.status).toBe(200);
    stream.abort();
  });

  it('notices when the client goes away', async () => {
    const stream = await EventStreamClient.open(`${url}/sse`);
    await stream.signal('viewer');
    expect((await ask(url)).json.clientConnected).toBe(true);
    const connection = server.parts.viewerCount;
    stream.abort();
    while ((await ask(url)).json.clientConnected === true) await settle();
    expect([connection, server.parts.viewerCount]).toEqual([1, 0]);
  });

  it('ends when another takes over', async () => {
    const first = await EventStreamClient.open(`${url}/sse`);
    const { viewerId } = await first.signal<{ viewerId: string }>('viewer');
    const second = await EventStreamClient.open(`${url}/sse?viewerId=${viewerId}`);
    await second.signal('viewer');
    await first.untilEnd();
    expect(await first.signal('closed')).toEqual({ reason: 'taken_over' });
    second.abort();
  });

  it('does not keep what a client does not read', async () => {
    const request = get(`${url}/sse?media=none`);
    const [incoming] = (await once(request, 'response')) as [IncomingMessage];
    incoming.pause();
    const response = lastResponse;
    // Patches that no client takes: what the kernel does not hold must not pile up here.
    for (let level = 0; level < 400; level++) {
      server.parts.launches[0]?.listener.onPageMetadata(
        { level, filler: String(level % 10).repeat(60_000) },
        0,
      );
      await server.parts.clock.advance(100);
    }
    expect(response.writableLength).toBeLessThan(2 * 1024 * 1024);

    let text = '';
    incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    incoming.resume();
    while (!text.slice(-100_000).includes('"level":399,')) await once(incoming, 'data');
    const whole = text.lastIndexOf('"path":""');
    expect(text.indexOf('"level":399,')).toBeGreaterThan(whole);
    expect(text.length).toBeLessThan(400 * 60_000);
    const closed = once(response, 'close');
    request.destroy();
    await closed;
  });

  it('is cut when a client does not take its end', async () => {
    const request = get(`${url}/sse?media=none`);
    request.on('error', () => undefined);
    const [incoming] = (await once(request, 'response')) as [IncomingMessage];
    incoming.on('error', () => undefined).pause();
    const response = lastResponse;
    for (let level = 0; response.writableLength === 0 && level < 1000; level++) {
      server.parts.launches[0]?.listener.onPageMetadata(
        { level, filler: String(level % 10).repeat(60_000) },
        0,
      );
      await server.parts.clock.advance(100);
    }
    const deleted = ask(url, { method: 'DELETE' });
    const closed = once(response, 'close');
    await deleted;
    await server.parts.clock.advance(2000);
    await closed;
    expect(response.destroyed).toBe(true);
    request.destroy();
  });
});
