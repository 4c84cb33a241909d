import { Agent, request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { once } from 'node:events';

import express from 'express';
import { afterEach, describe, expect, it } from 'vitest';

import { MAX_BODY_BYTES } from '../../../src/http/json-body.js';
import type { StreamKitOptions } from '../../../src/options/stream-kit-options.js';
import type { StreamKitRouter } from '../../../src/http/stream-kit-router.js';
import type { RouterServer } from '../../helpers/router-server.js';
import { ask, EventStreamClient, postJson, serveRouter } from '../../helpers/router-server.js';

let server: RouterServer | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

type Mount = (router: StreamKitRouter) => ReturnType<typeof express>;

async function serve(options: StreamKitOptions, mount?: Mount): Promise<string> {
  server = await serveRouter(options, mount);
  return server.url;
}

const target = { targetUrl: 'https://game.example.org/' };

/** What works through one way of mounting works through all. */
async function expectItWorksAt(url: string): Promise<void> {
  const { status, headers, json } = await postJson(url, target);
  expect(status).toBe(201);
  const location = new URL(headers.get('location') ?? '', url).href;
  expect(location).toBe(`${url}/${json.streamId}`);
  expect((await ask(location)).json.streamId).toBe(json.streamId);
  const stream = await EventStreamClient.open(`${location}/sse?media=none`);
  expect(await stream.signal('viewer')).toMatchObject({ role: 'viewer' });
  stream.abort();
  expect((await ask(location, { method: 'DELETE' })).status).toBe(204);
}

describe('mounted', () => {
  it('in Express at a path', async () => {
    const url = await serve({}, (router) => express().use('/stream', router));
    await expectItWorksAt(`${url}/stream`);
  });

  it('in Express with a base path of its own', async () => {
    const url = await serve({ basePath: '/render' }, (router) => express().use('/api/v1', router));
    await expectItWorksAt(`${url}/api/v1/render`);
  });

  it('in a router of a router', async () => {
    const url = await serve({}, (router) =>
      express().use('/a', express.Router().use('/b', express.Router().use('/c', router))),
    );
    await expectItWorksAt(`${url}/a/b/c`);
  });

  it('in a plain server with a base path', async () => {
    const url = await serve({ basePath: '/stream/' });
    await expectItWorksAt(`${url}/stream`);
    expect((await ask(`${url}/streams`, { method: 'POST' })).json.error.code).toBe('not_found');
  });

  it.each([
    ['express.json()', express.json()],
    ['express.text()', express.text({ type: 'application/json' })],
    ['express.raw()', express.raw({ type: 'application/json' })],
  ])('behind %s', async (_name, parser) => {
    const url = await serve({}, (router) => express().use(parser).use('/stream', router));
    await expectItWorksAt(`${url}/stream`);
    const bad = await postJson(`${url}/stream`, { targetUrl: 7 });
    expect(bad.json.error.code).toBe('bad_target_url');
  });

  it('behind a parser of other bodies, which leaves ours alone', async () => {
    const url = await serve({}, (router) => express().use(express.urlencoded()).use('/stream', router));
    await expectItWorksAt(`${url}/stream`);
  });

  it('behind something that swallowed the body, of which it complains', async () => {
    const url = await serve({}, (router) =>
      express()
        .use((request, _response, next) => {
          request.resume().once('end', () => next());
        })
        .use(router),
    );
    expect((await postJson(url, target)).json.error.code).toBe('internal');
  });

  it('passes on what it has no route for', async () => {
    const url = await serve({}, (router) =>
      express()
        .use('/stream', router)
        .use((_request, response) => void response.status(418).send('next')),
    );
    expect((await ask(`${url}/stream/a/b`)).status).toBe(418);
    expect((await ask(`${url}/elsewhere`)).status).toBe(418);
    expect((await ask(`${url}/stream/nobody`)).status).toBe(404);
    expect((await ask(`${url}/stream`, { method: 'PUT' })).status).toBe(405);
  });

  it('flushes through middleware that holds bytes back', async () => {
    let flushed = 0;
    const url = await serve({}, (router) =>
      express()
        .use((_request, response, next) => {
          Object.assign(response, { flush: () => (flushed += 1) });
          next();
        })
        .use(router),
    );
    const { json } = await postJson(url, target);
    const stream = await EventStreamClient.open(`${url}/${json.streamId}/sse`);
    await stream.until(() => stream.events.length >= 2);
    expect(flushed).toBeGreaterThanOrEqual(3);
    stream.abort();
  });

  it('leaves the connection open for the next request, also after a body that was refused', async () => {
    const url = await serve({}, (router) => express().use('/stream', router));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const send = async (body: string): Promise<[number | undefined, boolean]> => {
      const headers = { 'content-type': 'application/json', 'content-length': body.length };
      const request = httpRequest(`${url}/stream`, { method: 'POST', agent, headers });
      request.end(body);
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.resume();
      await once(response, 'end');
      return [response.statusCode, request.reusedSocket];
    };
    expect(await send(JSON.stringify(target))).toEqual([201, false]);
    expect(await send(' '.repeat(MAX_BODY_BYTES + 1))).toEqual([413, true]);
    expect(await send('{')).toEqual([400, true]);
    expect(await send(JSON.stringify(target))).toEqual([201, true]);
    agent.destroy();
  });

  it('understands the absolute form of a request target', async () => {
    const url = await serve({ basePath: '/stream' });
    const request = httpRequest(url, { path: 'http://elsewhere.example.org/stream/nobody?a=/b' });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(404);
    response.setEncoding('utf8');
    const [text] = (await once(response, 'data')) as [string];
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'no_such_session' } });
  });
});
