import { type AddressInfo, createServer, type Socket } from 'node:net';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';

import { afterAll, beforeAll, expect, test } from 'vitest';

import type { Logger } from '../../src/base/logger.js';
import { freePort, freeUdpPort } from '../helpers/free-port.js';
import { PATIENCE_MS } from '../helpers/patience.js';
import { movesOf, picturesOf, PushServer } from '../helpers/push-server.js';
import { probe, skewsOf } from '../helpers/recorded-media.js';
import { ask, postJson } from '../helpers/router-server.js';
import { type CreatedSession, TestServer } from '../helpers/test-server.js';

const SECRET = 'stream-key-that-nobody-sees';

let server: TestServer;
let directory: string;
let session: CreatedSession;
const logged: string[] = [];
const listeners: PushServer[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pushing-'));
  const keep = (...line: unknown[]): void => void logged.push(inspect(line, { depth: 8 }));
  const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep, child: () => logger };
  server = await TestServer.start({
    recording: { directory },
    publications: { targets: { allowPrivateAddresses: true } },
    logger,
  });
  session = await server.create(server.page('mode=flash'), { videoCodec: 'h264' });
  await server.state(session, ({ status }) => status === 'connecting');
});

afterAll(async () => {
  await Promise.all(listeners.map((listener) => listener.close()));
  await server.close();
  await rm(directory, { recursive: true });
});

function listen(url: string, name: string): PushServer {
  const listener = PushServer.start(url, join(directory, `${name}.mkv`));
  listeners.push(listener);
  return listener;
}

async function publish(url: string, { url: at } = session): Promise<string> {
  const { status, json } = await postJson(`${at}/publications`, { url });
  expect(status, JSON.stringify(json)).toBe(201);
  expect(JSON.stringify(json)).not.toContain(SECRET);
  return `${at}/publications/${json.publicationId}`;
}

async function untilStatus(publication: string, status: string): Promise<any> {
  let told: any;
  const look = async (): Promise<string> => (told = (await ask(publication)).json).status as string;
  await expect.poll(look, { timeout: 2 * PATIENCE_MS }).toBe(status);
  return told;
}

async function record(method: string, path = ''): Promise<any> {
  return (await fetch(`${session.url}/recordings${path}`, { method })).json();
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? NaN;
}

test('pushes by RTMP and SRT what viewers get, with the sound as AAC', async () => {
  const ports = [await freePort(), await freeUdpPort()] as const;
  const { recordingId } = await record('POST');
  // It is tried until the servers are there.
  const publications = [
    await publish(`rtmp://127.0.0.1:${ports[0]}/live/${SECRET}`),
    await publish(`srt://127.0.0.1:${ports[1]}?streamid=${SECRET}&passphrase=${SECRET}&latency=200`),
  ];
  const rtmp = listen(`rtmp://127.0.0.1:${ports[0]}/live/${SECRET}`, 'rtmp');
  const srt = listen(`srt://127.0.0.1:${ports[1]}?mode=listener&passphrase=${SECRET}&latency=200000`, 'srt');
  for (const publication of publications) {
    expect(await untilStatus(publication, 'live')).toMatchObject({ liveSince: expect.any(Number) });
  }
  await Promise.all([rtmp.untilPictures(60), srt.untilPictures(60)]);
  const { publications: diagnosed } = (await ask(`${session.url}/diagnostics`)).json;
  expect(diagnosed).toMatchObject([
    { media: 'connected', videoCodec: 'h264', ice: null },
    { media: 'connected', videoCodec: 'h264', ice: null },
  ]);
  await Promise.all(publications.map((publication) => fetch(publication, { method: 'DELETE' })));
  await Promise.all([rtmp.untilOver(), srt.untilOver()]);
  await record('DELETE', `/${recordingId}`);
  const recorded = (await readdir(directory)).find((name) => name.includes(recordingId)) ?? '';

  const encoded = await picturesOf(join(directory, recorded));
  const recordedSkewMs = median(await skewsOf(join(directory, recorded)));
  for (const name of ['rtmp', 'srt']) {
    const path = join(directory, `${name}.mkv`);
    const { codecs, width, height } = await probe(path);
    expect([...codecs].sort()).toEqual(['aac', 'h264']);
    expect([width, height]).toEqual([640, 360]);
    // The very pictures that are recorded, in their order.
    const came = await picturesOf(path);
    const start = encoded.indexOf(came[0] ?? '');
    expect(start, `${name}: first picture of ${came.length}`).toBeGreaterThanOrEqual(0);
    expect(came.length).toBeGreaterThanOrEqual(50);
    expect(came.slice(0, 50)).toEqual(encoded.slice(start, start + 50));
    expect(await movesOf(path)).toBeGreaterThan(3);
    // Sound and picture are as far apart as where they are recorded.
    expect(Math.abs(median(await skewsOf(path)) - recordedSkewMs)).toBeLessThan(80);
  }
  expect(logged.join('\n')).not.toContain(SECRET);
});

test('names the server that it was told in what it says to it, and ends one that says nothing', async () => {
  let heard = Buffer.alloc(0);
  const said: Socket[] = [];
  const silent = createServer((socket) => {
    said.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      const before = heard.length;
      heard = Buffer.concat([heard, bytes]);
      // S0, S1 and S2 of a server without digests; nothing after that.
      const answer = [Buffer.of(3), Buffer.alloc(1536), heard.subarray(1, 1537)];
      if (before < 1537 && heard.length >= 1537) socket.write(Buffer.concat(answer));
    });
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const authority = `localhost:${(silent.address() as AddressInfo).port}`;
  const publication = await publish(`rtmp://${authority}/live/${SECRET}`);
  // Without what begins each further chunk of a message.
  const text = (): string => Buffer.from(heard.filter((byte) => byte !== 0xc3)).toString('latin1');
  await expect.poll(() => text().includes(`rtmp://${authority}/live`)).toBe(true);
  expect(text().includes('127.0.0.1')).toBe(false);
  expect((await ask(publication)).json.status).toBe('connecting');
  expect((await fetch(publication, { method: 'DELETE' })).status).toBe(204);
  await expect
    .poll(() => said.every(({ destroyed, readableEnded }) => destroyed || readableEnded))
    .toBe(true);
  silent.close();
  for (const socket of said) socket.destroy();
  expect(logged.join('\n')).not.toContain(SECRET);
});

test('begins again when the size of the picture changes, and when the server is lost; without sound too', async () => {
  const quiet = await server.create(server.page('mode=counter'), { videoCodec: 'h264', audio: false });
  await server.state(quiet, ({ status }) => status === 'connecting');
  const url = `rtmp://127.0.0.1:${await freePort()}/live/${SECRET}`;
  const wide = listen(url, 'wide');
  const publication = await publish(url, quiet);
  await wide.untilPictures(10);
  const changed = await fetch(quiet.url, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resolution: '320x180' }),
  });
  expect(changed.status).toBe(200);
  await wide.untilOver();
  const small = listen(url, 'small');
  await small.untilPictures(10);
  expect(await untilStatus(publication, 'live')).not.toHaveProperty('error');
  await small.close();
  expect(await untilStatus(publication, 'retrying')).toMatchObject({
    error: { code: 'publication_failed', message: expect.stringMatching(/^The (?:connection|server) /) },
  });
  expect((await fetch(publication, { method: 'DELETE' })).status).toBe(204);
  expect(await probe(join(directory, 'wide.mkv'))).toMatchObject({ codecs: ['h264'], width: 640 });
  // Cut off in the middle.
  expect(small.said).toContain('320x180');
  expect(logged.join('\n')).not.toContain(SECRET);
});
