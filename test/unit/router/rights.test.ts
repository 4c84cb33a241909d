import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import { silentLogger } from '../../../src/base/logger.js';
import { CALLER_ROLES, type Right } from '../../../src/protocol/rights.js';
import type { RouteDefinition } from '../../../src/protocol/route-definition.js';
import { ROUTES } from '../../../src/protocol/routes.js';
import type { RouterServer } from '../../helpers/router-server.js';
import { ask, postJson, serveRouter } from '../../helpers/router-server.js';
import { upgradeStatus } from '../../helpers/upgrade.js';
import { settle } from '../../helpers/virtual-clock.js';

/** Who may use a route, besides what it answers then. The rows of the table in docs/access.md. */
const PERMITTED: Readonly<Record<Right, readonly string[]>> = {
  none: ['nobody', 'viewer', 'controller', 'other owner', 'owner', 'operator'],
  watch: ['viewer', 'controller', 'other owner', 'owner', 'operator'],
  control: ['controller', 'other owner', 'owner', 'operator'],
  create: ['other owner', 'owner', 'operator'],
  own: ['owner', 'operator'],
  operate: ['operator'],
};

const CALLERS = ['nobody', ...CALLER_ROLES, 'other owner'];
const UPGRADED = ['openStream', 'openDebugger', 'openWebSignaling'];

let server: RouterServer;
let directory: string;

/** `viewer` and the like name their caller after their role; `other owner` has another name than who creates. */
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'rights-'));
  server = await serveRouter({
    files: { uploads: true },
    ...{
      admin: true,
      metrics: true,
      health: true,
      openApi: true,
      hls: true,
      cdp: true,
      recording: { directory },
    },
    streamKitWeb: true,
    profileDirectory: join(directory, 'profiles'),
    validateRequest: ({ headers }) => {
      const caller = String(headers['x-caller']);
      if (caller === 'undefined') return { authorized: false };
      const role = CALLER_ROLES.find((known) => caller.endsWith(known));
      return { authorized: true, callerId: caller, ...(role === undefined ? {} : { role }) };
    },
  });
});

afterEach(async () => {
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

const as = (caller: string): Record<string, string> => (caller === 'nobody' ? {} : { 'x-caller': caller });

async function sessionOf(caller: string): Promise<string> {
  const target = { targetUrl: 'https://game.example.org/' };
  const { status, json } = await postJson(server.url, target, as(caller));
  expect(status).toBe(201);
  return (json as { streamId: string }).streamId;
}

/** What only the nodes of a cluster ask each other is served by no other server. */
const served = Object.entries<RouteDefinition>(ROUTES).filter(([, { option }]) => option !== 'cluster');

const cases = served.flatMap(([name, route]) =>
  CALLERS.map((caller) => ({ name, caller, ...route, permitted: PERMITTED[route.right].includes(caller) })),
);

describe('a route asks for its right', () => {
  it.each(cases)('$name of $caller: $permitted', async ({ method, path, caller, permitted, right }) => {
    const streamId = await sessionOf('owner');
    const url = server.url + path.replace(':streamId', streamId).replace(/:\w+/, 'x');
    const abort = new AbortController();
    const { status } = await fetch(url, { method, headers: as(caller), signal: abort.signal });
    abort.abort();
    const refusal = caller === 'nobody' ? 401 : 403;
    if (permitted) expect([401, 403]).not.toContain(status);
    else expect(status).toBe(refusal);
    // Whoever may not end it has not ended it.
    if (right !== 'own') return;
    const { json } = await ask(`${server.url}/${streamId}`, { headers: as('owner') });
    if (!permitted) expect(json.streamId).toBe(streamId);
  });
});

it.each(CALLERS)('an upgrade asks for the right of its route, of %s too', async (caller) => {
  server.router.attach(server.server);
  server.parts.debuggerPath = () => Promise.reject(new StreamKitError('at_capacity', 'Eight are there'));
  const streamId = await sessionOf('owner');
  server.parts.launches[0]?.succeed();
  await settle();
  for (const route of cases.filter(({ method, caller: one }) => method === 'GET' && one === caller)) {
    const { name, path, permitted } = route;
    const url = server.url + path.replace(':streamId', streamId).replace(/:\w+/, 'x');
    const refused = caller === 'nobody' ? 401 : 403;
    const taken = name === 'openDebugger' ? 429 : 101;
    const expected = UPGRADED.includes(name) ? (permitted ? taken : refused) : 404;
    expect([name, await upgradeStatus(url, as(caller))]).toEqual([name, expected]);
  }
});

describe('the owner of a session', () => {
  it('is a caller with the id of the one that created it', async () => {
    const streamId = await sessionOf('owner');
    const end = (caller: string) =>
      ask(`${server.url}/${streamId}`, { method: 'DELETE', headers: as(caller) });
    expect((await end('other owner')).json.error.code).toBe('forbidden');
    expect((await end('owner')).status).toBe(204);
    expect((await end('other owner')).status).toBe(404);
  });

  it('sees its own sessions in the list, an operator all, a viewer none', async () => {
    const streamId = await sessionOf('owner');
    const other = await sessionOf('other owner');
    const list = async (caller: string) => {
      const { json } = await ask(server.url, { headers: as(caller) });
      return (json as { sessions: { streamId: string }[] }).sessions;
    };
    expect(await list('owner')).toEqual([
      { streamId, status: 'initializing', kind: 'page', viewers: 0, createdAt: expect.any(Number) as number },
    ]);
    expect((await list('operator')).map((session) => session.streamId)).toEqual([streamId, other]);
    expect(await list('viewer')).toEqual([]);
  });
});

describe('without validateRequest', () => {
  const streamKitFetch = async (
    options: Parameters<typeof serveRouter>[0],
    remoteAddress: string | undefined,
    headers: Record<string, string>,
    url = 'http://127.0.0.1:3001/',
  ): Promise<number> => {
    const own = await serveRouter(options);
    const response = await own.router.fetch(new Request(url, { headers }), { remoteAddress });
    await own.close();
    return response.status;
  };

  it.each([
    ['127.0.0.1', {}, 200],
    ['127.8.9.10', {}, 200],
    ['::1', {}, 200],
    ['::ffff:127.0.0.1', {}, 200],
    ['192.0.2.1', {}, 403],
    ['2001:db8::1', {}, 403],
    [undefined, {}, 403],
    ['not an address', {}, 403],
    ['127.0.0.1', { host: 'localhost:3001' }, 200],
    ['127.0.0.1', { host: 'app.localhost' }, 200],
    ['127.0.0.1', { host: '[::1]:3001' }, 200],
    ['127.0.0.1', { host: '192.168.0.7' }, 200],
    ['127.0.0.1', { host: 'evil.test' }, 403],
    ['127.0.0.1', { host: 'localhost.evil.test' }, 403],
    ['127.0.0.1', { host: '127.0.0.1.evil.test' }, 403],
    ['127.0.0.1', { host: 'evil.test/127.0.0.1' }, 403],
    ['127.0.0.1', { host: 'evil.test#localhost' }, 403],
    ['127.0.0.1', { host: '' }, 403],
    ['127.0.0.1', { 'x-forwarded-host': 'evil.test' }, 403],
    ['127.0.0.1', { 'x-forwarded-for': '192.0.2.1' }, 403],
    ['127.0.0.1', { 'x-forwarded-for': '192.0.2.1, 127.0.0.1' }, 403],
    ['127.0.0.1', { 'x-forwarded-for': '127.0.0.1' }, 200],
  ])('a client at %s with %j is answered %i', async (address, headers, status) => {
    expect(await streamKitFetch({}, address, headers)).toBe(status);
  });

  it.each([0, 1, 2, 10])(
    'no X-Forwarded-For makes a client local, with trustProxy %i',
    async (trustProxy) => {
      for (const forwarded of ['127.0.0.1', '127.0.0.1, 127.0.0.1', '::1', ',', 'localhost', '0']) {
        const headers = { 'x-forwarded-for': `${forwarded}, 192.0.2.9` };
        expect(await streamKitFetch({ trustProxy }, '127.0.0.1', headers)).toBe(403);
      }
    },
  );

  it('one line of the log says why clients are refused', async () => {
    const warn = vi.fn();
    const logger = { ...silentLogger, warn, child: () => logger };
    const own = await serveRouter({ logger });
    for (const remoteAddress of ['192.0.2.1', '192.0.2.2']) {
      const { status } = await own.router.fetch(new Request('http://127.0.0.1/'), { remoteAddress });
      expect(status).toBe(403);
    }
    await own.close();
    expect(warn.mock.calls.map(([, message]) => message as string)).toEqual([
      'a request was refused: without validateRequest or allowAnonymous only clients of this machine are answered',
    ]);
  });

  it('allowAnonymous answers everybody: one session and four viewers for each address', async () => {
    const own = await serveRouter({ allowAnonymous: true, metrics: true });
    const at = (remoteAddress: string, path = '', init: RequestInit = {}) =>
      own.router.fetch(new Request(`https://evil.test/${path}`, init), { remoteAddress });
    const create = (address: string) =>
      at(address, '', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ targetUrl: 'https://game.example.org/' }),
      });
    const created = await create('192.0.2.1');
    const { streamId } = (await created.json()) as { streamId: string };
    const statuses = [created.status, (await create('192.0.2.1')).status, (await create('192.0.2.2')).status];
    expect(statuses).toEqual([201, 429, 201]);
    const joins = [];
    for (let viewer = 0; viewer < 5; viewer++) joins.push((await at('192.0.2.3', `${streamId}/sse`)).status);
    expect(joins).toEqual([200, 200, 200, 200, 429]);
    expect((await at('192.0.2.2', streamId, { method: 'DELETE' })).status).toBe(403);
    expect((await at('192.0.2.1', 'metrics')).status).toBe(403);
    expect((await at('192.0.2.1', streamId, { method: 'DELETE' })).status).toBe(204);
    await own.close();
  });

  it('allowAnonymous is refused beside validateRequest and beside terminals', async () => {
    const validateRequest = () => ({ authorized: true });
    await expect(serveRouter({ allowAnonymous: true, validateRequest })).rejects.toThrow('validateRequest');
    await expect(serveRouter({ allowAnonymous: true, terminal: { enabled: true } })).rejects.toThrow('shell');
  });
});

describe('PATCH', () => {
  it('answers the values in force, and names what it does not know', async () => {
    const streamId = await sessionOf('owner');
    server.parts.launches[0]?.succeed();
    const patch = (body: object) =>
      ask(`${server.url}/${streamId}`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json', ...as('owner') },
        body: JSON.stringify(body),
      });
    const changed = await patch({ resolution: '640x360', maxBitrateBps: 500_000 });
    expect([changed.status, changed.json]).toEqual([
      200,
      { resolution: '640x360', frameRate: 30, maxBitrateBps: 500_000 },
    ]);
    const unknown = await patch({ bitrate: 1 });
    expect([unknown.status, unknown.json.error.code]).toEqual([400, 'bad_request']);
    expect(unknown.json.error.message).toContain('"bitrate"');
    expect((await patch({ maxBitrateBps: 1 })).status).toBe(400);
    expect((await patch({ frameRate: 15 })).json).toMatchObject({ frameRate: 15, maxBitrateBps: 500_000 });
  });
});

it('docs/access.md has the right of every route', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/access.md'), 'utf8');
  const table = /<!-- rights -->\n\n([\s\S]*?)\n*<!-- \/rights -->/.exec(page)?.[1];
  const words = {
    none: 'everybody',
    watch: '`viewer`',
    control: '`controller`',
    create: '`owner`',
    own: '`owner` of the session',
    operate: '`operator`',
  };
  const rows = Object.values<RouteDefinition>(ROUTES).map(({ method, path, right, scope }) => {
    return `| \`${method} ${path}\` | ${words[right]} | ${scope === null ? 'none' : `\`${scope}\``} |`;
  });
  expect(table?.split('\n').slice(2)).toEqual(rows);
});
