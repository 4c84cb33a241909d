import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import { CdpGuestServer } from '../../../../src/render/capture/cdp-guest-server.js';
import { ScriptedBrowser } from '../../../helpers/scripted-browser.js';
import { VirtualClock } from '../../../helpers/virtual-clock.js';

let folder: string;
let browser: ScriptedBrowser;
let clock: VirtualClock;
let server: CdpGuestServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'guests-'));
  browser = new ScriptedBrowser();
  clock = new VirtualClock();
  server = serverIn(folder);
});

afterEach(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

function serverIn(place: string): CdpGuestServer {
  return new CdpGuestServer({
    folder: place,
    connection: browser.connection,
    isHidden: () => false,
    onPress: () => undefined,
    onScreenshot: () => Promise.resolve(),
    clock,
  });
}

async function openClient(): Promise<WebSocket> {
  const client = new WebSocket(`ws+unix:${await server.open()}:/`);
  await once(client, 'open');
  return client;
}

/** What one command is answered. */
async function ask(client: WebSocket, method: string): Promise<any> {
  client.send(JSON.stringify({ id: 1, method }));
  const [data] = (await once(client, 'message')) as [Buffer];
  return JSON.parse(data.toString());
}

it('takes eight clients and no ninth, until one goes', async () => {
  const clients = await Promise.all(Array.from({ length: 8 }, openClient));
  await expect(server.open()).rejects.toMatchObject({ code: 'at_capacity' });
  // One that was let through at the same moment as another.
  const ninth = new WebSocket(`ws+unix:${join(folder, 'cdp.sock')}:/`);
  const [, { statusCode }] = (await once(ninth, 'unexpected-response')) as [unknown, { statusCode: number }];
  expect(statusCode).toBe(503);
  ninth.on('error', () => undefined).terminate();
  clients[0]?.close();
  await expect.poll(() => server.open()).toBe(join(folder, 'cdp.sock'));
  await openClient();
});

it('a client that is refused and has gone already harms nothing', async () => {
  const path = await server.open();
  await Promise.all(Array.from({ length: 8 }, openClient));
  const socket = connect(path);
  socket.write(
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    () => socket.destroy(),
  );
  await once(socket, 'close');
  await expect(server.open()).rejects.toMatchObject({ code: 'at_capacity' });
});

it('commands that come before its session is there wait in the socket, and are carried out in order', async () => {
  const client = new WebSocket(`ws+unix:${await server.open()}:/`);
  client.once('open', () => {
    for (let id = 1; id <= 3; id++) client.send(JSON.stringify({ id, method: 'Browser.getVersion' }));
  });
  await expect.poll(() => browser.named('Browser.getVersion')).toHaveLength(3);
});

it('tries again after it could not listen', async () => {
  const missing = join(folder, 'missing');
  server = serverIn(missing);
  await expect(server.open()).rejects.toMatchObject({ code: 'unavailable' });
  await mkdir(missing);
  expect(await server.open()).toBe(join(missing, 'cdp.sock'));
});

it('is not opened after it was closed', async () => {
  server.close();
  await expect(server.open()).rejects.toMatchObject({ code: 'unavailable' });
});

it('a client that answers no ping for two minutes is gone, and one that does stays', async () => {
  const [silent, lively] = [await openClient(), await openClient()];
  await ask(silent, 'Unheard.of');
  await ask(lively, 'Unheard.of');
  (silent as unknown as { _autoPong: boolean })._autoPong = false;
  const pings: Promise<unknown>[] = [];
  for (let i = 0; i < 8; i++) {
    pings.push(once(lively, 'ping'), once(silent, 'ping'));
    await clock.advance(15_000);
    await Promise.all(pings.splice(0));
    await ask(lively, 'Unheard.of');
  }
  const gone = once(silent, 'close');
  await clock.advance(15_000);
  await gone;
  expect(lively.readyState).toBe(WebSocket.OPEN);
});

it('a client that does not answer the end of its connection is cut off', async () => {
  const client = await openClient();
  await ask(client, 'Unheard.of');
  client.pause();
  browser.end();
  await expect.poll(() => clock.pendingTimers).toBe(2);
  await clock.advance(2_000);
  await expect.poll(() => clock.pendingTimers).toBe(0);
  client.terminate();
});
