import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { BODY_TIMEOUT_MS, MAX_BODY_BYTES } from '../../../src/http/json-body.js';
import { resolveOptions } from '../../../src/options/stream-kit-options.js';
import type { StreamKitRouter } from '../../../src/http/stream-kit-router.js';
import { composeRouter } from '../../../src/router.js';
import { MAX_TEXT_BYTES } from '../../../src/http/text-body.js';
import { MAX_BACKLOG_BYTES } from '../../../src/session/event-delivery.js';
import { FakeParts } from '../../helpers/session-fakes.js';
import { settle } from '../../helpers/virtual-clock.js';

const origin = 'https://host.example.org';
let parts: FakeParts;
let router: StreamKitRouter;
/** Of a session that runs. */
let url: string;

beforeEach(async () => {
  parts = new FakeParts();
  router = composeRouter(
    resolveOptions({ basePath: '/stream', validateRequest: () => ({ authorized: true }) }),
    parts,
  );
  const response = await router.fetch(post('{"targetUrl":"https://game.example.org/"}'));
  url = `${origin}${response.headers.get('location')}`;
  parts.launches[0]?.succeed();
  await settle();
});

afterEach(async () => {
  await router.close();
  // Streams that a test has left alone are cut after a while.
  await parts.clock.advance(2000);
  expect(parts.clock.pendingTimers).toBe(0);
});

function post(body: BodyInit, init: RequestInit = {}): Request {
  const headers = { 'content-type': 'application/json' };
  return new Request(`${origin}/stream`, {
    method: 'POST',
    headers,
    body,
    duplex: 'half',
    ...init,
  } as RequestInit);
}

async function errorCode(request: Request): Promise<string> {
  return (await (await router.fetch(request)).json()).error.code;
}

async function isConnected(): Promise<boolean> {
  return (await (await router.fetch(new Request(url))).json()).clientConnected;
}

interface EventReader {
  /** Reads until the text holds something. */
  readonly until: (text: string) => Promise<string>;
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
}

async function openEvents(signal?: AbortSignal): Promise<EventReader> {
  const init = signal === undefined ? {} : { signal };
  const response = await router.fetch(new Request(`${url}/sse?media=none`, init));
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = '';
  return {
    reader,
    until: async (wanted) => {
      while (!text.includes(wanted)) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`The stream ended first: ${text.slice(-1000)}`);
        text += decoder.decode(value, { stream: true });
      }
      return text;
    },
  };
}

/** Patches of some 60 kB. */
async function patch(from: number, to: number): Promise<void> {
  for (let level = from; level < to; level++) {
    parts.launches[0]?.listener.onPageMetadata({ level, filler: String(level % 10).repeat(60_000) }, 0);
    await parts.clock.advance(100);
  }
}

describe('event stream of a Response', () => {
  it('ends the viewer when the host cancels it', async () => {
    const { until, reader } = await openEvents();
    await until('"path":""');
    expect(await isConnected()).toBe(true);
    await reader.cancel();
    expect(await isConnected()).toBe(false);
  });

  it('ends the viewer when the request is aborted', async () => {
    const abort = new AbortController();
    const { until, reader } = await openEvents(abort.signal);
    await until('"path":""');
    abort.abort();
    expect((await reader.read()).done).toBe(true);
    expect(await isConnected()).toBe(false);
  });

  it('ends the viewer of a request that was aborted before', async () => {
    const { reader } = await openEvents(AbortSignal.abort());
    while (!(await reader.read()).done);
    expect(await isConnected()).toBe(false);
  });

  it('shows every 15 s that it lives, but not to a host that takes nothing', async () => {
    const { until, reader } = await openEvents();
    await until('"path":""');
    await parts.clock.advance(100);
    await until('clientConnected","value":true');
    await parts.clock.advance(15_000);
    await parts.clock.advance(15_000);
    await parts.clock.advance(15_000);
    await router.close();
    const text = await until('"closed"');
    expect((await reader.read()).done).toBe(true);
    expect(text.split('keep-alive')).toHaveLength(2);
  });

  it('keeps no more than is bounded for a slow host, which then gets the whole document', async () => {
    const { until } = await openEvents();
    await until('"path":""');
    await patch(0, 100);
    const queued = await until('"level":99,');
    expect(queued.length).toBeLessThan(MAX_BACKLOG_BYTES + 4 * 60_000);
    expect(queued.indexOf('"level":99,')).toBeGreaterThan(queued.lastIndexOf('"path":""'));
    expect(queued.split('"path":""')).toHaveLength(3);
    await patch(100, 101);
    await until('/level","value":100');
  });

  it('is cut when a host does not take its end', async () => {
    const { until, reader } = await openEvents();
    await until('"path":""');
    await patch(0, 3);
    const deleted = router.fetch(new Request(url, { method: 'DELETE' }));
    await parts.clock.advance(2000);
    expect((await deleted).status).toBe(204);
    await expect(reader.read()).rejects.toThrow('cut off');
  });

  it('gives a slow host the rest before it ends', async () => {
    const { until, reader } = await openEvents();
    await until('"path":""');
    await patch(0, 3);
    await router.fetch(new Request(url, { method: 'DELETE' }));
    await until('"closed"');
    expect((await reader.read()).done).toBe(true);
  });

  it('has bytes of its own', async () => {
    const [one, other] = [await openEvents(), await openEvents()];
    await Promise.all([one.until('"path":""'), other.until('"path":""')]);
    await patch(0, 1);
    const { value } = await one.reader.read();
    structuredClone(value, { transfer: [value?.buffer as ArrayBuffer] });
    await other.until('/level","value":0');
  });
});

describe('the offer of a player in a Request', () => {
  const offer = (init: RequestInit = {}): Request =>
    new Request(`${url}/whep`, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp' },
      body: 'v=0',
      ...init,
    });
  const viewers = async (): Promise<unknown> =>
    (await (await router.fetch(new Request(url))).json()).metadata.viewers;

  it('is answered', async () => {
    const response = await router.fetch(offer());
    expect([response.status, await response.text()]).toEqual([201, 'the answer']);
    expect(response.headers.get('location')).toContain('/whep/');
    expect(await viewers()).toBe(1);
  });

  it('makes no viewer where it was aborted meanwhile, or is larger than any', async () => {
    const abort = new AbortController();
    const answered = router.fetch(offer({ signal: abort.signal }));
    abort.abort();
    expect((await answered).status).toBe(400);
    const large = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(MAX_TEXT_BYTES)),
    });
    expect((await router.fetch(offer({ body: large, duplex: 'half' } as RequestInit))).status).toBe(413);
    expect(await viewers()).toBe(0);
    expect(parts.peers.filter(({ closed }) => !closed)).toEqual([]);
  });
});

describe('body of a Request', () => {
  it('that was read before is complained of', async () => {
    const request = post('{}');
    await request.json();
    expect(await errorCode(request)).toBe('internal');
  });

  it('that is missing is refused', async () => {
    expect(await errorCode(post(''))).toBe('bad_request');
  });

  it.each([
    ['too large', () => router.fetch(post(endless(new Uint8Array(MAX_BODY_BYTES)))), 413],
    ['too slow', () => slow(), 408],
  ])('that is %s is cancelled', async (_name, send, status) => {
    const response = await send();
    expect(response.status).toBe(status);
    expect(response.headers.get('connection')).toBeNull();
    await settle();
    expect(cancelled).toBe(true);
  });

  it('that breaks off makes no session', async () => {
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('gone')) });
    expect(await errorCode(post(broken))).toBe('bad_request');
    expect(parts.launches).toHaveLength(1);
  });
});

let cancelled = false;

function endless(chunk: Uint8Array | undefined): ReadableStream {
  cancelled = false;
  return new ReadableStream({
    pull: (controller) => (chunk === undefined ? new Promise(() => undefined) : controller.enqueue(chunk)),
    cancel: () => {
      cancelled = true;
    },
  });
}

async function slow(): Promise<Response> {
  const answered = router.fetch(post(endless(undefined)));
  await parts.clock.advance(BODY_TIMEOUT_MS);
  return answered;
}

it('asks validateRequest about the Request itself', async () => {
  const seen: unknown[] = [];
  const validated = composeRouter(
    resolveOptions({
      validateRequest: (request: Request) => {
        seen.push(request);
        return { authorized: request.headers.get('authorization') === 'Bearer yes' };
      },
    }),
    new FakeParts(),
  );
  const request = new Request(`${origin}/nobody`);
  expect((await validated.fetch(request)).status).toBe(401);
  expect(seen).toEqual([request]);
  const allowed = new Request(`${origin}/nobody`, { headers: { authorization: 'Bearer yes' } });
  expect((await validated.fetch(allowed)).status).toBe(404);
  await validated.close();
});
