import { request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { once } from 'node:events';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { BODY_TIMEOUT_MS, MAX_BODY_BYTES } from '../../../src/http/json-body.js';
import type { RouterServer } from '../../helpers/router-server.js';
import { ask, serveRouter } from '../../helpers/router-server.js';

let server: RouterServer;

beforeEach(async () => {
  server = await serveRouter();
});
afterEach(async () => {
  await server.close();
  expect(server.parts.clock.pendingTimers).toBe(0);
});

const body = JSON.stringify({ targetUrl: 'https://game.example.org/' });

async function send(content: string | Uint8Array | undefined, headers: Record<string, string> = {}) {
  const { status, json } = await ask(`${server.url}/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    ...(content === undefined ? {} : { body: content as Uint8Array<ArrayBuffer> }),
  });
  return [status, json.error?.code];
}

/** A request whose body the test sends piece by piece. */
function slowRequest(headers: Record<string, string> = {}): ClientRequest {
  const request = httpRequest(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
  });
  request.on('error', () => undefined);
  request.flushHeaders();
  return request;
}

describe('JSON body', () => {
  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON; charset="UTF-8"',
    'application/vnd.example+json',
  ])('may be of type %s', async (type) => {
    expect(await send(body, { 'content-type': type })).toEqual([201, undefined]);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=latin1', 'json'])(
    'may not be of type %s',
    async (type) => {
      expect(await send(body, { 'content-type': type })).toEqual([415, 'unsupported_media_type']);
    },
  );

  it('may not be compressed', async () => {
    expect(await send(body, { 'content-encoding': 'gzip' })).toEqual([415, 'unsupported_media_type']);
  });

  it.each([
    ['nothing', ''],
    ['half an object', '{"targetUrl":'],
    ['two objects', '{}{}'],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0xfe, 0x22])],
    ['a number', '1'],
    ['a list', '[]'],
    ['null', 'null'],
  ])('that is %s is refused', async (_name, content) => {
    expect(await send(content)).toEqual([400, 'bad_request']);
  });

  it('that names __proto__ changes no object', async () => {
    const hostile = `{"__proto__":{"renderOptions":{"frameRate":0}},"targetUrl":"https://example.org"}`;
    expect(await send(hostile)).toEqual([201, undefined]);
    expect(({} as Record<string, unknown>).renderOptions).toBeUndefined();
  });

  it('that is nested without end is refused and harms nothing', async () => {
    const depth = 200_000;
    const deep = `{"targetUrl":"https://a","initialData":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect(await send(deep)).toEqual([400, 'bad_request']);
    expect(await send(body)).toEqual([201, undefined]);
  });

  it('that is too large is refused, whether it says so or not', async () => {
    expect(await send(' '.repeat(MAX_BODY_BYTES + 1))).toEqual([413, 'too_large']);
    const request = slowRequest();
    const answered = once(request, 'response') as Promise<[IncomingMessage]>;
    request.write(' '.repeat(MAX_BODY_BYTES + 1));
    const [response] = await answered;
    expect([response.statusCode, response.headers.connection]).toEqual([413, 'close']);
    request.destroy();
    expect(server.parts.launches).toEqual([]);
  });

  it('that comes too slowly is given up', async () => {
    const request = slowRequest();
    const answered = once(request, 'response') as Promise<[IncomingMessage]>;
    request.write('{');
    await once(server.server, 'request');
    await server.parts.clock.advance(BODY_TIMEOUT_MS);
    const [response] = await answered;
    expect([response.statusCode, response.headers.connection]).toEqual([408, 'close']);
    request.destroy();
  });

  it('that breaks off leaves no session and no timer', async () => {
    const request = slowRequest({ 'content-length': String(body.length) });
    const [seen] = (await once(server.server, 'request')) as [IncomingMessage];
    const gone = new Promise((resolve) => seen.once('close', resolve));
    request.write(body.slice(0, 5));
    request.destroy();
    await gone;
    expect(server.parts.launches).toEqual([]);
    expect(server.parts.clock.pendingTimers).toBe(0);
  });
});
