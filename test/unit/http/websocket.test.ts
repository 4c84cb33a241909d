import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';

import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import type { StreamKitOptions } from '../../../src/options/stream-kit-options.js';
import { samplesOf } from '../../helpers/exposition.js';
import { readChunk } from '../../helpers/fake-message-sink.js';
import { until } from '../../helpers/patience.js';
import type { RouterServer } from '../../helpers/router-server.js';
import { ask, EventStreamClient, postJson, serveRouter } from '../../helpers/router-server.js';
import { settle } from '../../helpers/virtual-clock.js';

let server: RouterServer;
let validate: NonNullable<StreamKitOptions['validateRequest']>;
let logged: string[];

beforeEach(async () => {
  validate = () => ({ authorized: true });
  logged = [];
  server = await serveRouter({
    maxViewersPerSession: 2,
    cors: { origins: ['https://friend.example'] },
    logger: pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) }),
    validateRequest: (request, env) => validate(request, env),
  });
  server.router.attach(server.server);
});
afterEach(async () => {
  await server.close();
  expect(server.parts.clock.pendingTimers).toBe(0);
});

async function liveSession(): Promise<string> {
  const answer = await postJson(`${server.url}/`, { targetUrl: 'https://game.example.org/' });
  server.parts.launches.at(-1)?.succeed();
  await settle();
  return answer.json.streamId as string;
}

/** A client that keeps what it is sent. */
class StreamReader {
  readonly messages: Record<string, unknown>[] = [];
  readonly sequences: number[] = [];
  readonly socket: WebSocket;

  constructor(path: string, headers: Record<string, string> = {}) {
    this.socket = new WebSocket(`${server.url.replace('http', 'ws')}${path}`, { headers });
    this.socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) this.sequences.push(readChunk(data).seq);
      else this.messages.push(JSON.parse(data.toString()) as Record<string, unknown>);
    });
  }

  static async open(path: string): Promise<StreamReader> {
    const reader = new StreamReader(path);
    await once(reader.socket, 'open');
    return reader;
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await once(this.socket, 'message');
  }

  send(message: unknown): void {
    this.socket.send(JSON.stringify(message));
  }
}

/** The answer to an upgrade that is refused. */
function refusal(path: string, headers: Record<string, string> = {}): Promise<{ status: number; json: any }> {
  const { socket } = new StreamReader(path, headers);
  return new Promise((resolve, reject) => {
    socket.on('open', () => reject(new Error('The upgrade was accepted')));
    socket.on('error', () => undefined);
    socket.on('unexpected-response', (_request, response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => {
        const isJson = response.headers['content-type']?.startsWith('application/json') === true;
        resolve({ status: response.statusCode ?? 0, json: isJson ? JSON.parse(text) : undefined });
      });
    });
  });
}

function picture(keyframe: boolean): void {
  server.parts.videoListener?.onEncodedFrame({
    codec: 'h264',
    bytes: Buffer.from([1]),
    keyframe,
    rtpTimestamp: 0,
    captureTimeUs: 1,
    readTimeUs: 1,
    rung: 0 as const,
    encodedTimeUs: 1,
    repeated: false,
  });
}

describe('GET /:id/stream', () => {
  it('is counted, and who comes and goes by it is a viewer that joins and leaves', async () => {
    const id = await liveSession();
    const [first, second] = [
      await StreamReader.open(`/${id}/stream`),
      await StreamReader.open(`/${id}/stream`),
    ];
    expect((await refusal(`/${id}/stream`)).status).toBe(429);
    first.socket.terminate();
    await once(first.socket, 'close');
    await until(async () => expect((await ask(`${server.url}/${id}`)).json.metadata.viewers).toBe(1));
    const closed = once(second.socket, 'close');
    expect((await ask(`${server.url}/${id}`, { method: 'DELETE' })).status).toBe(204);
    await closed;
    const samples = samplesOf(await server.router.metrics());
    expect(samples.get('stream_kit_viewer_joins_total')).toBe(2);
    expect(samples.get('stream_kit_viewer_leaves_total{reason="gone"}')).toBe(1);
    expect(samples.get('stream_kit_viewer_leaves_total{reason="deleted"}')).toBe(1);
    const answers = (of: string) =>
      samples.get(
        `stream_kit_http_requests_total{route="/:streamId/stream",method="GET",status_class="${of}"}`,
      );
    expect([answers('1xx'), answers('4xx')]).toEqual([2, 1]);
  });

  it('carries the session, its state and what is encoded, and counts as a viewer', async () => {
    const id = await liveSession();
    const reader = await StreamReader.open(`/${id}/stream`);
    await reader.until(() => reader.messages.length >= 2);
    expect(reader.messages.slice(0, 2)).toMatchObject([
      { type: 'session-meta', name: id, kind: 'page' },
      { type: 'state', value: { streamId: id } },
    ]);
    expect((await ask(`${server.url}/${id}`)).json).toMatchObject({
      clientConnected: true,
      metadata: { viewers: 1 },
    });
    reader.send({ type: 'resume', lastSeq: null });
    reader.send({ type: 'nonsense' });
    await reader.until(() => reader.messages.some(({ type }) => type === 'error'));
    expect(server.parts.events).toContain('audio start');
    picture(true);
    picture(false);
    await reader.until(() => reader.sequences.length === 2);
    expect((await ask(`${server.url}/${id}`)).json.status).toBe('streaming');
    reader.socket.terminate();
    await once(reader.socket, 'close');

    const back = await StreamReader.open(`/${id}/stream`);
    back.send({ type: 'resume', lastSeq: 1 });
    await back.until(() => back.sequences.length === 1);
    expect(back.sequences).toEqual([2]);
    const closed = once(back.socket, 'close') as Promise<[number, Buffer]>;
    expect((await ask(`${server.url}/${id}`, { method: 'DELETE' })).status).toBe(204);
    const [code, reason] = await closed;
    expect([code, reason.toString()]).toEqual([1000, 'deleted']);
  });

  it('is refused without a session, at other paths and beyond the number of viewers', async () => {
    const id = await liveSession();
    expect(await refusal('/6a3e0c5e-0000-4000-8000-000000000000/stream')).toMatchObject({
      status: 404,
      json: { error: { code: 'no_such_session' } },
    });
    expect(await refusal(`/${id}/sse`)).toMatchObject({
      status: 404,
      json: { error: { code: 'not_found' } },
    });
    expect(await refusal(`/${id}/stream/more`)).toMatchObject({ status: 404 });
    const open = [await StreamReader.open(`/${id}/stream`), await StreamReader.open(`/${id}/stream`)];
    expect(await refusal(`/${id}/stream`)).toMatchObject({
      status: 429,
      json: { error: { code: 'at_capacity' } },
    });
    for (const { socket } of open) socket.terminate();
  });

  it('belongs to the viewer that it names, also where there is no room for another', async () => {
    const id = await liveSession();
    const [events, others] = [
      await EventStreamClient.open(`${server.url}/${id}/sse`),
      await EventStreamClient.open(`${server.url}/${id}/sse?media=none`),
    ];
    const { viewerId } = await events.signal<{ viewerId: string }>('viewer');
    expect((await refusal(`/${id}/stream`)).status).toBe(429);
    const reader = await StreamReader.open(`/${id}/stream?viewerId=${viewerId}`);
    await reader.until(() => reader.messages.some(({ type }) => type === 'role'));
    expect(reader.messages.at(-1)).toMatchObject({ role: 'controller', publicId: '1' });
    expect((await ask(`${server.url}/${id}`)).json.metadata.viewers).toBe(2);
    expect(samplesOf(await server.router.metrics()).get('stream_kit_viewer_joins_total')).toBe(2);
    for (const client of [events, others]) client.abort();
    await until(async () => {
      const { viewers } = (await ask(`${server.url}/${id}/diagnostics`)).json as {
        viewers: { attached: boolean }[];
      };
      expect(viewers.map(({ attached }) => attached)).toEqual([true, false]);
    });
    expect((await ask(`${server.url}/${id}`)).json.metadata.viewers).toBe(1);
    const closed = once(reader.socket, 'close') as Promise<[number, Buffer]>;
    await server.parts.clock.advance(15_000);
    const [code, reason] = await closed;
    expect([code, reason.toString()]).toEqual([1008, 'no_such_viewer']);
  });

  it('is refused for a viewer that there is not, or of another session, and says nothing of it to the log', async () => {
    const [id, other] = [await liveSession(), await liveSession()];
    const events = await EventStreamClient.open(`${server.url}/${other}/sse?media=none`);
    const { viewerId } = await events.signal<{ viewerId: string }>('viewer');
    for (const name of [viewerId, 'unknown', '', '%00%ff', viewerId.padEnd(8000, 'A')]) {
      expect(await refusal(`/${id}/stream?viewerId=${name}`)).toEqual({
        status: 404,
        json: { error: { code: 'no_such_viewer', message: 'There is no such viewer' } },
      });
    }
    validate = () => {
      throw new Error('down');
    };
    expect((await refusal(`/${other}/stream?viewerId=${viewerId}`)).status).toBe(500);
    expect(logged.some((line) => line.includes('request failed'))).toBe(true);
    expect(logged.filter((line) => line.includes(viewerId))).toEqual([]);
    events.abort();
  });

  it('asks validateRequest', async () => {
    const id = await liveSession();
    validate = (request) => ({
      authorized: request.headers.authorization === 'Bearer right',
      error: 'Not you',
    });
    expect(await refusal(`/${id}/stream`)).toEqual({
      status: 401,
      json: { error: { code: 'unauthorized', message: 'Not you' } },
    });
    const { socket } = new StreamReader(`/${id}/stream`, { authorization: 'Bearer right' });
    await once(socket, 'open');
    socket.terminate();
    validate = () => {
      throw new Error('/secret');
    };
    const failed = await refusal(`/${id}/stream`);
    expect(failed.status).toBe(500);
    expect(JSON.stringify(failed)).not.toContain('secret');
  });

  it('refuses pages of other origins unless cors lets them, since browsers send their cookies', async () => {
    const id = await liveSession();
    expect(await refusal(`/${id}/stream`, { origin: 'https://evil.example' })).toMatchObject({ status: 403 });
    expect(await refusal(`/${id}/stream`, { origin: 'null' })).toMatchObject({ status: 403 });
    for (const origin of [server.url, 'https://friend.example']) {
      const { socket } = new StreamReader(`/${id}/stream`, { origin });
      await once(socket, 'open');
      socket.terminate();
    }
  });

  it('survives handshakes that are none', async () => {
    const id = await liveSession();
    const head = `GET /${id}/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n`;
    for (const rest of [
      'Upgrade: h2c\r\n\r\n',
      'Upgrade: websocket\r\n\r\n',
      'Upgrade: websocket\r\nSec-WebSocket-Version: 1\r\nSec-WebSocket-Key: x\r\n\r\n',
    ]) {
      const socket = connect((server.server.address() as AddressInfo).port, '127.0.0.1');
      socket.end(head + rest);
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString()));
      await once(socket, 'close');
      expect(text).toMatch(/^HTTP\/1\.1 400 /);
    }
    expect((await ask(`${server.url}/${id}`)).status).toBe(200);
  });

  it('ends a client that sends too much at once, and no other', async () => {
    const id = await liveSession();
    const [loud, quiet] = [
      await StreamReader.open(`/${id}/stream`),
      await StreamReader.open(`/${id}/stream`),
    ];
    loud.socket.send(Buffer.alloc(300 * 1024));
    const [code] = (await once(loud.socket, 'close')) as [number];
    expect(code).toBe(1009);
    quiet.send({ type: 'nonsense' });
    await quiet.until(() => quiet.messages.some(({ type }) => type === 'error'));
    quiet.socket.terminate();
  });

  it('is answered 426 where it is asked for without an upgrade', async () => {
    const id = await liveSession();
    const { status, headers, json } = await ask(`${server.url}/${id}/stream`);
    expect([status, headers.get('upgrade'), json.error.code]).toEqual([426, 'websocket', 'upgrade_required']);
  });
});

describe('attach', () => {
  it('takes the path of the mount point, leaves other paths to other listeners, and can be ended', async () => {
    const id = await liveSession();
    const detach = server.router.attach(server.server, { path: '/mounted/' });
    const others: string[] = [];
    server.server.on('upgrade', (request, socket) => {
      if (!request.url?.startsWith('/other')) return;
      others.push(request.url);
      socket.end('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    });
    const { socket } = await StreamReader.open(`/mounted/${id}/stream`);
    socket.terminate();
    detach();
    detach();
    expect(server.server.listenerCount('upgrade')).toBe(2);
    await server.router.close();
    expect(server.server.listenerCount('upgrade')).toBe(1);
    expect((await refusal('/other/place')).status).toBe(503);
    expect(others).toEqual(['/other/place']);
  });
});
