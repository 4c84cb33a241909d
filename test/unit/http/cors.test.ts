import express from 'express';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { CorsOptions } from '../../../src/options/access-options.js';
import { resolveOptions } from '../../../src/options/stream-kit-options.js';
import type { StreamKitRouter } from '../../../src/http/stream-kit-router.js';
import { composeRouter } from '../../../src/router.js';
import { HOST_OPTIONS, HOSTS, type Host } from '../../helpers/hosts.js';
import {
  ask,
  EventStreamClient,
  postJson,
  serveRouter,
  type RouterServer,
} from '../../helpers/router-server.js';
import { FakeParts } from '../../helpers/session-fakes.js';

const origin = 'https://app.example.org';
const target = { targetUrl: 'https://game.example.org/' };
const NOBODY = '/6a3e0c5e-0000-4000-8000-000000000000';
const EXPOSED = 'Location, ETag, Link, Retry-After';

/** Node's fetch drops what it holds for a browser's own: `Origin` is not among it. */
const from = (who = origin) => ({ origin: who });

function corsOf(headers: Headers): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-')));
}

const varies = (headers: Headers): string[] =>
  (headers.get('vary') ?? '').split(',').map((name) => name.trim().toLowerCase());

describe.each(Object.entries(HOSTS))('CORS in %s', (_name, open) => {
  let router: StreamKitRouter;
  let host: Host;

  beforeEach(async () => {
    const cors = { origins: [origin], credentials: true, maxAgeSeconds: 60 };
    router = composeRouter(resolveOptions({ ...HOST_OPTIONS, cors }), new FakeParts());
    host = await open(router);
  });
  afterEach(async () => {
    await router.close();
    await host.close();
  });

  it('answers preflights, requests, event streams and errors', async () => {
    const permission = {
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
    };
    const shared = { ...permission, 'access-control-expose-headers': EXPOSED };
    const preflight = await host.fetch(host.url, {
      method: 'OPTIONS',
      headers: {
        ...from(),
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });
    expect(preflight.status).toBe(204);
    expect(corsOf(preflight.headers)).toEqual({
      ...permission,
      'access-control-allow-methods': 'GET, HEAD, POST, OPTIONS',
      'access-control-allow-headers': 'authorization,content-type',
      'access-control-max-age': '60',
    });
    expect(varies(preflight.headers)).toContain('origin');

    const created = await postJson(host.url, target, from(), host.fetch);
    expect([created.status, corsOf(created.headers)]).toEqual([201, shared]);
    expect(varies(created.headers)).toContain('origin');
    const url = `${host.url}/${created.json.streamId}`;
    const stream = await EventStreamClient.open(`${url}/sse?media=none`, { headers: from() }, host.fetch);
    expect([stream.response.status, corsOf(stream.response.headers)]).toEqual([200, shared]);
    expect(varies(stream.response.headers)).toContain('origin');
    stream.abort();
    const missing = await ask(host.url + NOBODY, { headers: from() }, host.fetch);
    expect([missing.status, corsOf(missing.headers)]).toEqual([404, shared]);

    const foreign = await ask(url, { headers: from('https://other.example.org') }, host.fetch);
    expect([foreign.status, corsOf(foreign.headers)]).toEqual([200, {}]);
    expect(varies(foreign.headers)).toContain('origin');
  });
});

describe('CORS', () => {
  let server: RouterServer;
  afterEach(() => server.close());

  async function serve(cors: CorsOptions, options = {}): Promise<string> {
    server = await serveRouter({ cors, ...options });
    return server.url + NOBODY;
  }

  const preflight = (url: string, headers: Record<string, string>) =>
    ask(url, { method: 'OPTIONS', headers: { 'access-control-request-method': 'DELETE', ...headers } });

  it('is closed without the option', async () => {
    server = await serveRouter();
    const { headers } = await ask(server.url + NOBODY, { headers: from() });
    expect([corsOf(headers), headers.get('vary')]).toEqual([{}, null]);
    expect(corsOf((await preflight(server.url + NOBODY, from())).headers)).toEqual({});
  });

  it('shows what a refusal says, and does not validate preflights', async () => {
    const url = await serve({ origins: [origin] }, { validateRequest: () => ({ authorized: false }) });
    const refused = await ask(url, { headers: from() });
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, origin]);
    const { status, headers } = await preflight(url, from());
    expect([status, headers.get('access-control-allow-methods')]).toEqual([
      204,
      'GET, HEAD, PATCH, DELETE, OPTIONS',
    ]);
    expect(headers.get('access-control-allow-credentials')).toBeNull();
    const wrongMethod = await ask(url, { method: 'PUT', headers: from() });
    expect([wrongMethod.status, wrongMethod.headers.get('access-control-allow-origin')]).toEqual([
      405,
      origin,
    ]);
  });

  it.each([
    'https://app.example.org:8443',
    'http://app.example.org',
    'https://app.example.org.evil',
    'null',
    '',
  ])('takes the origin whole: not %j', async (other) => {
    const url = await serve({ origins: [origin] });
    expect(corsOf((await ask(url, { headers: from(other) })).headers)).toEqual({});
    expect(corsOf((await preflight(url, from(other))).headers)).toEqual({});
  });

  it('for everybody names no origin', async () => {
    const url = await serve({ origins: '*' });
    expect(corsOf((await ask(url, { headers: from('null') })).headers)).toEqual({
      'access-control-allow-origin': '*',
      'access-control-expose-headers': EXPOSED,
    });
    expect((await preflight(url, from())).headers.get('access-control-max-age')).toBe('600');
  });

  it('asks the application, which may take its time', async () => {
    const origins = vi.fn(async (asked: string) => Promise.resolve(asked === origin));
    const url = await serve({ origins });
    expect((await ask(url, { headers: from() })).headers.get('access-control-allow-origin')).toBe(origin);
    expect(corsOf((await ask(url, { headers: from('null') })).headers)).toEqual({});
    await ask(url);
    expect(origins.mock.calls).toEqual([[origin], ['null']]);
    expect(corsOf((await ask(url, { headers: from(`https://${'a'.repeat(1100)}.org`) })).headers)).toEqual(
      {},
    );
    expect(origins).toHaveBeenCalledTimes(2);
  });

  it('lets a function decide over credentials as well: whoever it refuses gets none', async () => {
    const url = await serve({ origins: (asked: string) => asked === origin, credentials: true });
    const credentials = async (asked: string) => {
      const { headers } = await ask(url, { headers: from(asked) });
      const asking = await preflight(url, from(asked));
      return [headers, asking.headers].map((of) => of.get('access-control-allow-credentials'));
    };
    expect(await credentials(origin)).toEqual(['true', 'true']);
    for (const other of [
      'https://evil.example',
      'null',
      `${origin}.evil.example`,
      `${origin}:8443`,
      '*',
      '',
    ]) {
      expect(await credentials(other)).toEqual([null, null]);
    }
  });

  it.each([
    ['something truthy', () => 'yes'],
    [
      'a throw',
      () => {
        throw new Error('broken');
      },
    ],
    ['a rejection', () => Promise.reject(new Error('broken'))],
  ])('takes %s for a no', async (name, origins) => {
    const onError = vi.fn();
    const url = await serve({ origins: origins as unknown as () => boolean }, { onError });
    const { status, headers } = await ask(url, { headers: from() });
    expect([status, corsOf(headers)]).toEqual([404, {}]);
    expect(onError).toHaveBeenCalledTimes(name === 'something truthy' ? 0 : 1);
  });

  it('sends back no names of headers that are none', async () => {
    const url = await serve({ origins: [origin] });
    const allowed = async (names: string) =>
      (await preflight(url, { ...from(), 'access-control-request-headers': names })).headers.get(
        'access-control-allow-headers',
      );
    expect(await allowed('x-a , x-b')).toBe('x-a , x-b');
    expect(await allowed('x-a; x-b')).toBeNull();
    expect(await allowed('x-a,,x-b')).toBeNull();
    expect(await allowed('a'.repeat(1025))).toBeNull();
  });

  it('leaves what middleware in front has said an answer depends on', async () => {
    server = await serveRouter({ cors: { origins: [origin] } }, (router) =>
      express()
        .use((_request, response, next) => {
          response.set('Vary', 'X-Tenant');
          next();
        })
        .use(router),
    );
    const { headers } = await ask(server.url + NOBODY, { headers: from() });
    expect(varies(headers)).toEqual(['x-tenant', 'origin']);
  });
});
