import type { Request } from 'express';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import type { Logger } from '../../../src/base/logger.js';
import type { RequestValidation, StreamKitOptions } from '../../../src/options/stream-kit-options.js';
import type { Answer, RouterServer } from '../../helpers/router-server.js';
import { ask, postJson, serveRouter } from '../../helpers/router-server.js';
import { settle } from '../../helpers/virtual-clock.js';

let server: RouterServer | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function serve<TEnv>(options: StreamKitOptions<TEnv>): Promise<RouterServer> {
  server = await serveRouter(options);
  return server;
}

const target = { targetUrl: 'https://game.example.org/' };
const NOBODY = '/6a3e0c5e-0000-4000-8000-000000000000';

/** Each route once. */
function everyRoute(url: string): Promise<Answer>[] {
  return [
    postJson(url, target),
    ask(`${url}${NOBODY}`),
    ask(`${url}${NOBODY}/sse`),
    postJson(`${url}${NOBODY}/signal`, { viewerId: 'x', type: 'sdp_answer', payload: '' }),
    ask(`${url}${NOBODY}/snapshot`),
    ask(`${url}${NOBODY}/diagnostics`),
    ask(`${url}${NOBODY}`, { method: 'DELETE' }),
    ask(`${url}${NOBODY}`, { method: 'HEAD' }),
  ];
}

describe('validateRequest', () => {
  it('decides over every route, before anything is known of the session', async () => {
    const { url, parts } = await serve({ validateRequest: () => ({ authorized: false }) });
    for (const answer of await Promise.all(everyRoute(url))) {
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      if (answer.json !== undefined) expect(answer.json.error.code).toBe('unauthorized');
    }
    expect(parts.launches).toEqual([]);
  });

  it('says why and with which status', async () => {
    const answers: RequestValidation[] = [
      { authorized: false, error: 'Bring a token', status: 401 },
      { authorized: false, error: 'Not yours', status: 403 },
      { authorized: false, status: 503 },
    ];
    const { url } = await serve({ validateRequest: () => answers.shift() ?? { authorized: true } });
    const next = async () => {
      const { status, json } = await ask(url + NOBODY);
      return [status, json.error.code, json.error.message];
    };
    expect(await next()).toEqual([401, 'unauthorized', 'Bring a token']);
    expect(await next()).toEqual([403, 'forbidden', 'Not yours']);
    expect((await next()).slice(0, 2)).toEqual([503, 'forbidden']);
    expect((await next()).slice(0, 2)).toEqual([404, 'no_such_session']);
  });

  it('is given the request of the framework and the environment, and may take its time', async () => {
    const validateRequest = vi.fn(async (request: Request, env: { token: string }) => {
      await settle();
      return { authorized: request.headers.authorization === `Bearer ${env.token}` };
    });
    const { url } = await serve({ getEnv: () => Promise.resolve({ token: 's3cret' }), validateRequest });
    const withToken = { headers: { authorization: 'Bearer s3cret' } };
    expect((await ask(url + NOBODY, withToken)).status).toBe(404);
    expect((await ask(url + NOBODY)).status).toBe(401);
    expect(validateRequest.mock.calls[0]?.[1]).toEqual({ token: 's3cret' });
  });

  it.each([
    ['undefined', () => undefined],
    ['null', () => null],
    ['true', () => true],
    ['an empty object', () => ({})],
    ['a truthy authorized', () => ({ authorized: 'yes' })],
    ['a refusal with status 200', () => ({ authorized: false, status: 200 })],
    ['a refusal with a status of text', () => ({ authorized: false, status: '401' })],
    [
      'a throw',
      () => {
        throw new Error('/home/secret');
      },
    ],
    ['a rejection', () => Promise.reject(new Error('/home/secret'))],
  ])('lets nothing through for %s', async (_name, validate) => {
    const onError = vi.fn();
    const validateRequest = validate as unknown as () => RequestValidation;
    const { url, parts } = await serve({ validateRequest, onError });
    const { status, json } = await postJson(url, target);
    expect(status).toBe(500);
    expect(json).toEqual({ error: { code: 'internal', message: 'The request could not be validated' } });
    expect(parts.launches).toEqual([]);
    expect(onError).toHaveBeenCalledOnce();
  });

  it('that cannot get its environment lets nothing through', async () => {
    const { url } = await serve({
      getEnv: () => {
        throw new Error('x');
      },
      validateRequest: () => ({ authorized: true }),
    });
    expect((await ask(url + NOBODY)).status).toBe(500);
  });

  it('does not see preflights, which carry no credentials', async () => {
    const { url } = await serve({ validateRequest: () => ({ authorized: false }) });
    expect((await ask(url + NOBODY, { method: 'OPTIONS' })).status).toBe(204);
  });

  it('names the caller in the log line of the session', async () => {
    const lines: object[] = [];
    const logger: Logger = {
      debug: () => undefined,
      info: (context) => void lines.push(context),
      warn: () => undefined,
      error: () => undefined,
      child: () => logger,
    };
    const callerContext = { userId: 'u1' };
    const { url } = await serve({ logger, validateRequest: () => ({ authorized: true, callerContext }) });
    const { json } = await postJson(url, target);
    expect(lines).toContainEqual({ streamId: json.streamId, caller: callerContext });
  });
});

describe('onError', () => {
  it('is told of a session that failed', async () => {
    const onError = vi.fn();
    const { url, parts } = await serve({ onError });
    const { json } = await postJson(url, target);
    const error = new StreamKitError('browser_not_found', 'No Chromium was found');
    parts.launches[0]?.fail(error);
    await settle();
    expect(onError.mock.calls).toEqual([[error, json.streamId]]);
  });

  it('is not told of what clients do wrong', async () => {
    const onError = vi.fn();
    const { url } = await serve({ onError });
    await Promise.all(everyRoute(url));
    await postJson(url, { targetUrl: 7 });
    expect(onError).not.toHaveBeenCalled();
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('onError itself');
      },
    ],
    ['rejects', () => Promise.reject(new Error('onError itself')) as unknown as undefined],
  ])('that %s is logged and harms nothing', async (_name, onError) => {
    const logged: string[] = [];
    const logger: Logger = {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: (_context, message) => void logged.push(message),
      child: () => logger,
    };
    const { url, parts } = await serve({ onError, logger });
    await postJson(url, target);
    parts.launches[0]?.fail(new Error('x'));
    await settle();
    expect(logged).toContain('onError threw');
    expect((await postJson(url, target)).status).toBe(201);
  });
});

describe('close', () => {
  it('ends every session, then the media plane, and takes no new ones', async () => {
    const { url, parts, router } = await serve({});
    await postJson(url, target);
    parts.launches[0]?.succeed();
    await settle();
    await Promise.all([router.close(), router.close()]);
    expect(parts.events.slice(-2)).toEqual(['capture closed', 'media plane closed']);
    expect(parts.clock.pendingTimers).toBe(0);
    const { status, headers, json } = await postJson(url, target);
    expect([status, headers.get('retry-after'), json.error.code]).toEqual([503, '10', 'at_capacity']);
  });
});

describe('closing', () => {
  it('goes on where a part of it fails', async () => {
    const { router, parts, url } = await serve({});
    await postJson(url, target);
    const log = vi.spyOn(parts.logger, 'info').mockImplementation((_context, message) => {
      throw new Error(message);
    });
    await expect(router.close()).rejects.toThrow('session ended');
    log.mockRestore();
    expect(parts.events).toContain('media plane closed');
    const closed = new Promise((resolve) => server?.server.close(resolve));
    server?.server.closeAllConnections();
    await closed;
    server = undefined;
  });
});
