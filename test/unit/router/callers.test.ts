import { request as httpRequest } from 'node:http';

import { afterEach, describe, expect, it, vi } from 'vitest';

import type { CallerLimits, RequestValidation } from '../../../src/options/access-options.js';
import { StreamKitError } from '../../../src/base/errors.js';
import type { Logger } from '../../../src/base/logger.js';
import type { StreamKitOptions } from '../../../src/options/stream-kit-options.js';
import { until } from '../../helpers/patience.js';
import type { Answer, RouterServer } from '../../helpers/router-server.js';
import { ask, EventStreamClient, postJson, serveRouter } from '../../helpers/router-server.js';
import { upgradeStatus } from '../../helpers/upgrade.js';
import { settle } from '../../helpers/virtual-clock.js';

let server: RouterServer | undefined;
const streams: EventStreamClient[] = [];

afterEach(async () => {
  for (const stream of streams.splice(0)) stream.abort();
  await server?.close();
  server = undefined;
});

async function serve(options: StreamKitOptions): Promise<RouterServer> {
  server = await serveRouter(options);
  return server;
}

/** Serves callers that say who they are, with what the application knows of each. */
function serveCallers(
  known: Readonly<Record<string, Partial<RequestValidation>>> = {},
  options: StreamKitOptions = {},
): Promise<RouterServer> {
  return serve({
    maxSessions: 10,
    validateRequest: ({ headers }) => {
      const name = headers['x-caller'] as string;
      return { authorized: true, callerId: name, ...known[name] };
    },
    ...options,
  });
}

const target = { targetUrl: 'https://game.example.org/' };
const as = (caller: string) => ({ 'x-caller': caller });

async function create(url: string, caller: string, renderOptions: object = {}): Promise<Answer> {
  return postJson(`${url}/`, { ...target, renderOptions }, as(caller));
}

async function createdUrl(url: string, caller = 'a'): Promise<string> {
  const { status, json } = await create(url, caller);
  expect(status).toBe(201);
  return `${url}/${json.streamId}`;
}

async function watch(url: string, headers: Record<string, string> = {}): Promise<EventStreamClient> {
  const stream = await EventStreamClient.open(url, { headers });
  streams.push(stream);
  expect(stream.response.status).toBe(200);
  return stream;
}

async function viewerIdOf(stream: EventStreamClient): Promise<string> {
  return (await stream.signal<{ viewerId: string }>('viewer')).viewerId;
}

const outcome = ({ status, headers, json }: Answer) => [
  status,
  json?.error?.code,
  headers.get('retry-after'),
];

/** Lets everybody in without a name. */
const anybody = () => ({ authorized: true });

describe('a viewer', () => {
  const restart = (viewerId: string) => ({ viewerId, type: 'ice_restart' });

  it('obeys its own caller alone', async () => {
    const { url, parts } = await serveCallers();
    const session = await createdUrl(url);
    const viewerId = await viewerIdOf(await watch(`${session}/sse`, as('a')));
    const noSuchViewer = [404, 'no_such_viewer', null];
    expect(outcome(await postJson(`${session}/signal`, restart(viewerId), as('b')))).toEqual(noSuchViewer);
    const asB = { headers: as('b') };
    expect(outcome(await ask(`${session}/sse?viewerId=${viewerId}`, asB))).toEqual(noSuchViewer);
    expect(parts.peers.map(({ restarts }) => restarts)).toEqual([0]);
    expect((await postJson(`${session}/signal`, restart(viewerId), as('a'))).status).toBe(204);
    const back = await watch(`${session}/sse?viewerId=${viewerId}`, as('a'));
    expect(await viewerIdOf(back)).toBe(viewerId);
  });

  it('is none in another session', async () => {
    const { url, parts } = await serve({});
    const [one, other] = [await createdUrl(url), await createdUrl(url)];
    const viewerId = await viewerIdOf(await watch(`${one}/sse`));
    expect(outcome(await postJson(`${other}/signal`, restart(viewerId)))[1]).toBe('no_such_viewer');
    expect(outcome(await ask(`${other}/sse?viewerId=${viewerId}`))[1]).toBe('no_such_viewer');
    expect(parts.peers).toHaveLength(1);
    expect((await ask(other)).json.metadata.viewers).toBe(0);
  });

  it('that nobody named obeys whoever has its secret, since an address may change', async () => {
    const { url } = await serve({ trustProxy: 1, validateRequest: anybody });
    const session = await createdUrl(url);
    const from = (address: string) => ({ 'x-forwarded-for': address });
    const viewerId = await viewerIdOf(await watch(`${session}/sse`, from('203.0.113.1')));
    const answer = await postJson(`${session}/signal`, restart(viewerId), from('203.0.113.2'));
    expect(answer.status).toBe(204);
    expect(outcome(await postJson(`${session}/signal`, restart('x'.repeat(100_000))))[1]).toBe(
      'no_such_viewer',
    );
  });
});

describe('a player', () => {
  const offer = (url: string, headers: Record<string, string>) =>
    ask(`${url}/whep`, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp', ...headers },
      body: 'v=0',
    });

  it('obeys its own caller alone, and counts as a viewer of it', async () => {
    const { url, parts } = await serveCallers({ a: { limits: { maxViewers: 1 } } });
    const session = await createdUrl(url);
    parts.launches[0]?.succeed();
    await settle();
    const { status, headers } = await offer(session, as('a'));
    expect(status).toBe(201);
    const resource = new URL(headers.get('location') ?? '', url).href;
    expect(outcome(await offer(session, as('a')))).toEqual([429, 'at_capacity', '5']);
    expect(outcome(await ask(`${session}/sse`, { headers: as('a') }))[1]).toBe('at_capacity');
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const answer = await ask(resource, { method, headers: as('b') });
      expect([method, ...outcome(answer)]).toEqual([method, 404, 'no_such_viewer', null]);
    }
    expect((await ask(resource, { method: 'DELETE', headers: as('a') })).status).toBe(200);
    expect((await offer(session, as('a'))).status).toBe(201);
  });

  it('signals at the rate of its caller', async () => {
    const { url } = await serveCallers({}, { rateLimits: { signalsPerSecond: 1 } });
    const session = await createdUrl(url);
    for (let turn = 0; turn < 5; turn++) expect((await offer(session, as('a'))).status).toBe(409);
    const patch = () => ask(`${session}/whep/x`, { method: 'PATCH', headers: as('a') });
    for (let turn = 0; turn < 5; turn++) expect((await patch()).status).toBe(404);
    expect([(await offer(session, as('a'))).status, (await patch()).status]).toEqual([429, 429]);
  });

  it('that was let in by a stream token is one that its caller signed it for', async () => {
    const { url, parts, router } = await serveCallers(
      {},
      { streamTokens: { secret: 'a secret that is thirty-two bytes' }, cors: { origins: '*' } },
    );
    const session = await createdUrl(url);
    parts.launches[0]?.succeed();
    await settle();
    const streamId = session.slice(url.length + 1);
    const bearerOf = (callerId: string) => {
      const token = router.createStreamToken({ streamId, scope: ['whep'], callerId });
      return { authorization: `Bearer ${token}`, origin: 'https://player.example.org' };
    };
    const { status, headers } = await offer(session, bearerOf('p1'));
    expect([status, headers.get('access-control-allow-origin')]).toEqual([201, '*']);
    expect(headers.get('access-control-expose-headers')).toBe('Location, ETag, Link, Retry-After');
    const resource = new URL(headers.get('location') ?? '', url).href;
    const remove = (callerId: string) => ask(resource, { method: 'DELETE', headers: bearerOf(callerId) });
    expect((await remove('p2')).status).toBe(404);
    expect((await remove('p1')).status).toBe(200);
  });
});

describe('limits of a caller', () => {
  const serveLimited = (limits: CallerLimits, options?: StreamKitOptions) =>
    serveCallers({ a: { limits } }, options);

  it('hold its sessions, until they are gone', async () => {
    const { url, parts } = await serveLimited({ maxSessions: 1 });
    const session = await createdUrl(url);
    expect(outcome(await create(url, 'a'))).toEqual([429, 'at_capacity', '5']);
    expect(parts.launches).toHaveLength(1);
    expect((await create(url, 'b')).status).toBe(201);
    parts.launches[0]?.succeed();
    await settle();
    await ask(session, { method: 'DELETE', headers: as('a') });
    expect((await create(url, 'a')).status).toBe(201);
  });

  it('hold its viewers in all sessions together, and not those that come back', async () => {
    const { url } = await serveLimited({ maxViewers: 2 });
    const [one, other] = [await createdUrl(url), await createdUrl(url)];
    const viewerId = await viewerIdOf(await watch(`${one}/sse?media=none`, as('a')));
    await viewerIdOf(await watch(`${other}/sse?media=none`, as('a')));
    const asA = { headers: as('a') };
    expect(outcome(await ask(`${one}/sse?media=none`, asA))).toEqual([429, 'at_capacity', '5']);
    const back = await watch(`${one}/sse?media=none&viewerId=${viewerId}`, as('a'));
    expect(await viewerIdOf(back)).toBe(viewerId);
    await viewerIdOf(await watch(`${one}/sse?media=none`, as('b')));
  });

  it('refuse an event stream before a session is made for it', async () => {
    const { url, parts } = await serveLimited({ maxViewers: 1 });
    const asEvents = { ...as('a'), accept: 'text/event-stream' };
    const viewerId = await viewerIdOf(await watch(`${await createdUrl(url)}/sse?media=none`, as('a')));
    expect(outcome(await postJson(url, target, asEvents))).toEqual([429, 'at_capacity', '5']);
    expect(parts.launches).toHaveLength(1);
    const init = { method: 'POST', body: JSON.stringify(target) };
    const headers = { ...as('b'), accept: 'text/event-stream', 'content-type': 'application/json' };
    const made = await EventStreamClient.open(`${url}/?media=none&viewerId=${viewerId}`, {
      ...init,
      headers,
    });
    expect(made.response.status).toBe(200);
    expect(await viewerIdOf(made)).not.toBe(viewerId);
    made.abort();
  });

  it('hold what it asks for, and lower what it does not name', async () => {
    const limits = { maxPixels: 1280 * 720, maxFrameRate: 20, maxBitrateBps: 500_000 };
    const { url, parts } = await serveLimited(limits);
    const message = async (renderOptions: object) => {
      const { status, json } = await create(url, 'a', renderOptions);
      return [status, json.error?.code, json.error?.message];
    };
    expect(await message({ resolution: '1282x720' })).toEqual([
      403,
      'forbidden',
      'Expected at most 921600 pixels for renderOptions.resolution of this caller',
    ]);
    expect(await message({ frameRate: 21 })).toEqual([
      403,
      'forbidden',
      'Expected at most 20 for renderOptions.frameRate of this caller',
    ]);
    expect(parts.launches).toEqual([]);
    expect((await message({ resolution: '720x1280', frameRate: 20 }))[0]).toBe(201);
    expect((await message({ maxBitrateBps: 2_000_000 }))[0]).toBe(201);
    expect(
      parts.launches.map(({ parameters: { width, height, frameRate } }) => [width, height, frameRate]),
    ).toEqual([
      [720, 1280, 20],
      [1280, 720, 20],
    ]);
    parts.launches[1]?.succeed();
    await settle();
    const { streamId } = (await ask(`${url}/00000000-0000-4000-8000-000000000002`, { headers: as('a') }))
      .json;
    await viewerIdOf(await watch(`${url}/${streamId}/sse`, as('a')));
    parts.peers[0]?.connect();
    expect(parts.events).toContain('video start h264 500000');
    expect((await create(url, 'b', { resolution: '1920x1080', frameRate: 60 })).status).toBe(201);
  });

  it.each([
    { callerId: '' },
    { callerId: 7 },
    { callerId: 'x'.repeat(257) },
    { role: 'admin' },
    { limits: 3 },
    { limits: { maxSession: 1 } },
    { limits: { maxSessions: -1 } },
    { limits: { maxFrameRate: 61 } },
  ])('that are malformed let nothing through: %j', async (result) => {
    const onError = vi.fn();
    const { url, parts } = await serve({
      onError,
      validateRequest: () => ({ authorized: true, ...result }) as RequestValidation,
    });
    expect(outcome(await postJson(url, target))).toEqual([500, 'internal', null]);
    expect([parts.launches.length, onError.mock.calls.length]).toEqual([0, 1]);
  });
});

describe('rates of a caller', () => {
  it('hold how many sessions it makes, and count nothing else as one', async () => {
    const rateLimits = { sessionsPerMinute: 2 };
    const { url, parts } = await serveCallers({}, { rateLimits });
    for (let turn = 0; turn < 5; turn++) {
      expect((await postJson(url, { targetUrl: 7 }, as('a'))).status).toBe(400);
    }
    expect((await create(url, 'a')).status).toBe(201);
    expect((await create(url, 'a')).status).toBe(201);
    expect(outcome(await create(url, 'a'))).toEqual([429, 'at_capacity', '30']);
    expect((await create(url, 'b')).status).toBe(201);
    await parts.clock.advance(30_000);
    expect((await create(url, 'a')).status).toBe(201);
  });

  it('hold how many signals it sends, after a burst', async () => {
    const { url, parts } = await serveCallers({}, { rateLimits: { signalsPerSecond: 1 } });
    const session = await createdUrl(url);
    const signal = () => postJson(`${session}/signal`, { viewerId: 'x', type: 'ice_restart' }, as('a'));
    for (let turn = 0; turn < 10; turn++) expect((await signal()).status).toBe(404);
    expect(outcome(await signal())).toEqual([429, 'at_capacity', '1']);
    await parts.clock.advance(1000);
    expect((await signal()).status).toBe(404);
  });

  it('hold how often it joins, in whatever way, and how many snapshots it takes', async () => {
    const rateLimits = { joinsPerMinute: 1, snapshotsPerMinute: 1 };
    const { url, parts, router, server: http } = await serveCallers({}, { rateLimits, streamKitWeb: true });
    router.attach(http);
    const session = await createdUrl(url, 'owner');
    parts.launches[0]?.succeed();
    await settle();
    const signaling = `${session.replace(/[^/]+$/, 'session/$&')}/signaling`;
    const ways: Record<string, (headers: Record<string, string>) => Promise<number>> = {
      sse: async (headers) => {
        const stream = await EventStreamClient.open(`${session}/sse?media=none`, { headers });
        stream.abort();
        return stream.response.status;
      },
      stream: (headers) => upgradeStatus(`${session}/stream`, headers),
      signaling: (headers) => upgradeStatus(signaling, headers),
      whep: async (headers) => {
        const all = { ...headers, 'content-type': 'application/sdp' };
        return (await ask(`${session}/whep`, { method: 'POST', headers: all, body: 'v=0' })).status;
      },
      snapshot: async (headers) => (await ask(`${session}/snapshot`, { headers })).status,
    };
    for (const [name, join] of Object.entries(ways)) {
      expect([name, await join(as(name))]).not.toEqual([name, 429]);
      expect([name, await join(as(name))]).toEqual([name, 429]);
    }
  });

  it('hold how many requests it has open, such as those whose bodies do not come', async () => {
    const { url } = await serveCallers({}, { rateLimits: { openRequests: 2 } });
    const headers = { 'content-type': 'application/json', 'content-length': '100', ...as('a') };
    const open = [1, 2].map(() => {
      const request = httpRequest(url, { method: 'POST', headers });
      request.on('error', () => undefined).write('{');
      return request;
    });
    const list = async (caller: string) => outcome(await ask(url, { headers: as(caller) }));
    await until(async () => expect(await list('a')).toEqual([429, 'at_capacity', '1']));
    expect((await list('b'))[0]).toBe(200);
    for (const request of open) request.destroy();
    await until(async () => expect((await list('a'))[0]).toBe(200));
  });

  it('count addresses of their own where a proxy is trusted to tell them', async () => {
    const statusOf = async (trustProxy: boolean): Promise<number[]> => {
      const own = await serveRouter({
        ...{ trustProxy, validateRequest: anybody },
        rateLimits: { sessionsPerMinute: 1 },
      });
      const from = async (address: string) =>
        (await postJson(own.url, target, { 'x-forwarded-for': address })).status;
      const statuses = [await from('203.0.113.1'), await from('203.0.113.2'), await from('203.0.113.2')];
      await own.close();
      return statuses;
    };
    expect(await statusOf(true)).toEqual([201, 201, 429]);
    expect(await statusOf(false)).toEqual([201, 429, 429]);
  });

  it('know a web-standard request by the address that its host tells', async () => {
    const { router } = await serve({ validateRequest: anybody, rateLimits: { sessionsPerMinute: 1 } });
    const from = async (remoteAddress?: unknown): Promise<number> => {
      const headers = { 'content-type': 'application/json' };
      const init = { method: 'POST', headers, body: JSON.stringify(target) };
      const request = new Request('https://host.example.org/', init);
      return (await router.fetch(request, { remoteAddress } as { remoteAddress: string })).status;
    };
    expect([await from('203.0.113.1'), await from('203.0.113.2'), await from('203.0.113.2')]).toEqual([
      201, 201, 429,
    ]);
    // Who cannot be told apart counts as one.
    expect([await from(), await from({}), await from('nonsense')]).toEqual([201, 429, 429]);
  });
});

describe('callerContext', () => {
  it('is in the log lines of what its caller makes, and in what onError is told', async () => {
    const lines: object[] = [];
    const note = (context: object): void => void lines.push(context);
    const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger };
    const onError = vi.fn();
    const callerContext = { userId: 'u1' };
    const { url, parts } = await serveCallers({ a: { callerContext } }, { logger, onError });
    const session = await createdUrl(url);
    const streamId = session.slice(url.length + 1);
    expect(lines).toContainEqual({ streamId, callerId: 'a', caller: callerContext });

    parts.launches[0]?.succeed();
    await settle();
    parts.snapshotResult = () => Promise.reject(new Error('/home/secret'));
    await ask(`${session}/snapshot`, { headers: as('a') });
    const error = new Error('/home/secret');
    expect(lines).toContainEqual({ err: error, streamId, callerId: 'a', caller: callerContext });
    parts.launches[0]?.listener.onEnded(new StreamKitError('browser_crashed', 'The browser crashed'));
    expect(onError.mock.calls).toEqual([
      [error, streamId, callerContext],
      [expect.objectContaining({ code: 'browser_crashed' }), streamId, callerContext],
    ]);
  });
});
