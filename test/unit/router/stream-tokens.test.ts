import type { IncomingMessage } from 'node:http';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { authorizeUpgrade, createAuthorize } from '../../../src/http/authorization.js';
import type { StreamTokenScope } from '../../../src/protocol/token-scopes.js';
import { ROUTES } from '../../../src/protocol/routes.js';
import { StreamTokens } from '../../../src/http/stream-tokens.js';
import type { Logger } from '../../../src/base/logger.js';
import { resolveOptions } from '../../../src/options/stream-kit-options.js';
import type { RouterServer } from '../../helpers/router-server.js';
import { ask, EventStreamClient, postJson, serveRouter } from '../../helpers/router-server.js';
import { codeOf } from '../../helpers/session-harness.js';
import { settle } from '../../helpers/virtual-clock.js';

const streamTokens = { secret: 'a secret that is thirty-two bytes' };
const target = { targetUrl: 'https://game.example.org/' };
const app = { 'x-app': 'yes' };

let server: RouterServer;
let streamId: string;
/** Of a session that runs. */
let url: string;
const validateRequest = vi.fn(({ headers }: IncomingMessage) => ({
  authorized: headers['x-app'] === 'yes',
  callerId: 'app',
}));
const onError = vi.fn();
const logged: unknown[] = [];

beforeEach(async () => {
  logged.length = 0;
  const note = (...line: unknown[]): void => void logged.push(line);
  const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger };
  server = await serveRouter({ streamTokens, validateRequest, onError, logger });
  const { json } = await postJson(server.url, target, app);
  streamId = json.streamId;
  url = `${server.url}/${streamId}`;
  server.parts.launches[0]?.succeed();
  await settle();
  validateRequest.mockClear();
  onError.mockClear();
});
afterEach(() => server.close());

const create = (...scope: StreamTokenScope[]) => server.router.createStreamToken({ streamId, scope });
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

async function outcome(path: string, init?: RequestInit): Promise<string> {
  const { status, json } = await ask(url + path, init);
  return `${status} ${json?.error?.code}`;
}

describe('a stream token', () => {
  it('lets an EventSource and its signals through without validateRequest', async () => {
    const token = server.router.createStreamToken({ streamId });
    const stream = await EventStreamClient.open(`${url}/sse?token=${token}`);
    const { viewerId } = await stream.signal<{ viewerId: string }>('viewer');
    await stream.signal('sdp_offer');
    const answer = { viewerId, type: 'sdp_answer', payload: 'v=0' };
    expect((await postJson(`${url}/signal?token=${token}`, answer)).status).toBe(204);
    expect((await postJson(`${url}/signal`, answer)).status).toBe(401);
    // One that names nobody is for whoever has it: the application may signal for its viewers as well.
    expect((await postJson(`${url}/signal`, answer, app)).status).toBe(204);
    expect(validateRequest).toHaveBeenCalledTimes(2);
    stream.abort();
  });

  it('that names a caller makes viewers that obey this caller alone', async () => {
    const tokenOf = (callerId?: string) =>
      server.router.createStreamToken({ streamId, ...(callerId === undefined ? {} : { callerId }) });
    const stream = await EventStreamClient.open(`${url}/sse?media=none&token=${tokenOf('u1')}`);
    const { viewerId } = await stream.signal<{ viewerId: string }>('viewer');
    const statusBy = async (token: string): Promise<number> => {
      const message = { viewerId, type: 'message', payload: 1 };
      return (await postJson(`${url}/signal?token=${token}`, message)).status;
    };
    expect(await Promise.all([tokenOf('u1'), tokenOf('u2'), tokenOf()].map(statusBy))).toEqual([
      204, 404, 404,
    ]);
    stream.abort();
  });

  it.each<[StreamTokenScope, string[]]>([
    ['state', ['', '/diagnostics']],
    ['sse', ['/sse?media=none']],
    ['snapshot', ['/snapshot']],
  ])('for %s opens what that names and nothing else', async (scope, own) => {
    const token = create(scope);
    for (const path of ['', '/diagnostics', '/sse?media=none', '/snapshot']) {
      const { status } = await ask(url + path, { method: 'HEAD', ...bearer(token) });
      expect([path, status]).toEqual([path, own.includes(path) ? 200 : 403]);
    }
    expect(await outcome(`/signal?token=${token}`, { method: 'POST' })).toBe('403 forbidden');
    expect(validateRequest).not.toHaveBeenCalled();
  });

  it('with every scope ends, creates and records nothing', async () => {
    const all = create('state', 'sse', 'signal', 'snapshot', 'whep', 'hls', 'recordings', 'stream');
    expect(await outcome(`?token=${all}`, { method: 'DELETE' })).toBe('403 forbidden');
    expect((await postJson(`${server.url}/?token=${all}`, target)).json.error.code).toBe('forbidden');
    expect((await ask(url, { headers: app })).status).toBe(200);
    expect(server.parts.launches).toHaveLength(1);
  });

  it('is for one session', async () => {
    const other = (await postJson(server.url, target, app)).json.streamId as string;
    const token = server.router.createStreamToken({ streamId: other, scope: ['state'] });
    expect(await outcome(`?token=${token}`)).toBe('403 forbidden');
  });

  it('that is bad is refused, whatever validateRequest would say', async () => {
    const token = create('state');
    const bad = `${token.slice(0, -2)}AA`;
    const init = { headers: app };
    const unauthorized = '401 unauthorized';
    expect(await outcome(`?token=${bad}`, init)).toBe(unauthorized);
    expect(await outcome('?token=', init)).toBe(unauthorized);
    expect(await outcome(`?token=${token}&token=${token}`, init)).toBe(unauthorized);
    expect(await outcome(`?token=${bad}&token=${token}`, init)).toBe(unauthorized);
    expect(await outcome('', bearer(bad))).toBe(unauthorized);
    expect(await outcome(`?token=${'x'.repeat(9000)}`, init)).toBe(unauthorized);
    await server.parts.clock.advance(300_000);
    const { status, json, headers } = await ask(`${url}?token=${token}`, init);
    expect([status, json.error.message]).toEqual([401, 'The stream token has expired']);
    expect(headers.get('www-authenticate')).toBe('Bearer');
    expect(validateRequest).not.toHaveBeenCalled();
  });

  it('of the application is its own', async () => {
    expect(await outcome('', { headers: { ...app, authorization: 'Bearer its.own.token' } })).toBe(
      '200 undefined',
    );
    const plain = await serveRouter({ validateRequest });
    const { status } = await ask(`${plain.url}/${streamId}?token=its-own`, { headers: app });
    expect(status).toBe(404);
    expect(await codeOf(() => plain.router.createStreamToken({ streamId }))).toBe('not_found');
    await plain.close();
  });

  it('shows nowhere, whatever fails', async () => {
    const token = create('snapshot', 'sse');
    server.parts.snapshotResult = () => Promise.reject(new Error('broken'));
    const tokens = [token, `${token}x`, token.toUpperCase()];
    const answers = [];
    for (const one of tokens) {
      for (const path of ['', '/snapshot', '/sse', '/snapshot?format=gif', '/nothing/here']) {
        const { headers, json } = await ask(`${url}${path}${path.includes('?') ? '&' : '?'}token=${one}`, {
          method: path === '/sse' ? 'PUT' : 'GET',
        });
        answers.push([[...headers], json]);
      }
    }
    const told = [answers, logged, onError.mock.calls.map(([error]) => [error, (error as Error).stack])];
    const text = JSON.stringify(told, (_key, value: unknown) =>
      value instanceof Error ? [value.message, value.stack, value.cause] : value,
    );
    expect(text).toContain('broken');
    for (const one of tokens) expect(text).not.toContain(one.slice(5, 40));
  });
});

describe('an upgrade', () => {
  it('is decided as a request is', async () => {
    const options = resolveOptions({ streamTokens, validateRequest });
    const tokens = new StreamTokens(
      options.streamTokens ?? { keys: [], lifetimeSeconds: 1 },
      server.parts.clock,
    );
    const authorize = createAuthorize(options, {
      ...{ tokens, creatorOf: () => undefined, logger: options.logger },
    });
    const request = (url: string, headers: Record<string, string> = {}) =>
      ({ url, headers, socket: { remoteAddress: '192.0.2.7' } }) as unknown as IncomingMessage;
    const decide = (url: string, headers?: Record<string, string>) =>
      authorizeUpgrade(authorize, request(url, headers), { streamId, route: ROUTES.openStream });

    expect(await decide('/x/stream', app)).toMatchObject({ key: 'id app', role: 'owner' });
    expect(await codeOf(() => decide('/x/stream'))).toBe('unauthorized');
    expect(await codeOf(() => decide('/x/stream?token=bad', app))).toBe('unauthorized');
    const token = tokens.create({ streamId, scope: ['stream'], role: 'controller' });
    expect(await decide(`/x/stream?a=b&token=${token}`)).toMatchObject({
      key: 'address 192.0.2.7',
      id: undefined,
      role: 'controller',
    });
    const sse = tokens.create({ streamId });
    expect(await codeOf(() => decide(`/x/stream?token=${sse}`, app))).toBe('forbidden');
  });
});
