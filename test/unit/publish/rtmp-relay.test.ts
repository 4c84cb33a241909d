import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { type Clock, systemClock } from '../../../src/base/clock.js';
import { silentLogger } from '../../../src/base/logger.js';
import { EgressClient } from '../../../src/egress/egress-client.js';
import { Refusal } from '../../../src/egress/egress-dialer.js';
import { DEFAULT_TARGET_POLICY } from '../../../src/options/target-policy-options.js';
import { pushTarget } from '../../../src/publish/push-target.js';
import { RtmpRelay } from '../../../src/publish/rtmp-relay.js';
import { certificateFor } from '../../helpers/certificate.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

const anywhere = { ...DEFAULT_TARGET_POLICY, allowPrivateAddresses: true };
const client = new EgressClient(anywhere, silentLogger);
const { signal } = new AbortController();

describe('the way to an RTMP server', () => {
  let server: Server;
  let port: number;
  /** What has come to the server. */
  let sockets: Socket[];
  let heard: string;
  let relays: RtmpRelay[];

  beforeEach(async () => {
    [sockets, heard, relays] = [[], '', []];
    server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => void (heard += bytes.toString('latin1')));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  });

  afterEach(() => {
    for (const relay of relays) relay.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  async function open(clock: Clock = systemClock): Promise<RtmpRelay> {
    const target = pushTarget(new URL(`rtmp://localhost:${port}/app/key`));
    const relay = await RtmpRelay.open(client, target, signal, clock);
    relays.push(relay);
    return relay;
  }

  function dial({ origin }: RtmpRelay): Socket {
    const local = connect({ host: '127.0.0.1', port: Number(new URL(origin).port) });
    local.on('error', () => undefined);
    return local;
  }

  it('leads there and back, for one connection, and ends with either side', async () => {
    const relay = await open();
    const local = dial(relay);
    local.write('hello');
    await expect.poll(() => heard).toBe('hello');
    let answered = '';
    local.on('data', (bytes: Buffer) => void (answered += bytes.toString()));
    sockets[0]?.write('and back');
    await expect.poll(() => answered).toBe('and back');
    const second = dial(relay);
    await expect.poll(() => second.destroyed).toBe(true);
    sockets[0]?.destroy();
    await expect.poll(() => local.destroyed || local.readableEnded).toBe(true);
    relay.close();
    relay.close();
  });

  it('lets both sides go when it is closed', async () => {
    const relay = await open();
    const local = dial(relay);
    local.write('hello');
    await expect.poll(() => heard).toBe('hello');
    relay.close();
    await expect.poll(() => local.destroyed).toBe(true);
    await expect.poll(() => sockets[0]?.readableEnded === true || sockets[0]?.destroyed).toBe(true);
  });

  it('ends with a server that sends more than 1 MiB within a minute', async () => {
    const clock = new VirtualClock();
    const relay = await open(clock);
    const local = dial(relay);
    let answered = 0;
    local.on('data', (bytes: Buffer) => void (answered += bytes.byteLength));
    local.write('hello');
    await expect.poll(() => heard).toBe('hello');
    const most = Buffer.alloc(1024 * 1024);
    for (let minute = 1; minute <= 2; minute += 1) {
      sockets[0]?.write(most);
      await expect.poll(() => answered).toBe(minute * most.byteLength);
      await clock.advance(60_000);
    }
    sockets[0]?.write(most);
    await expect.poll(() => answered).toBe(3 * most.byteLength);
    expect(local.destroyed).toBe(false);
    sockets[0]?.write('x');
    await expect.poll(() => local.destroyed).toBe(true);
    await expect.poll(() => sockets[0]?.readableEnded === true || sockets[0]?.destroyed).toBe(true);
  });

  it('begins TLS where that is asked for, and fails where there is none', async () => {
    const target = pushTarget(new URL(`rtmps://localhost:${port}/app/key`));
    const opening = RtmpRelay.open(client, target, signal, systemClock);
    const refused = expect(opening).rejects.toThrow();
    // A handshake record of TLS, whose greeting has the name of the server.
    await expect.poll(() => heard.startsWith('\u0016\u0003') && heard.includes('localhost')).toBe(true);
    sockets[0]?.end('this is no TLS');
    await refused;
  });

  it('leads over TLS to a server with the certificate of its address', async () => {
    const certificate = certificateFor('IP:127.0.0.1');
    let secret = '';
    const secure = createTlsServer(certificate, (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes: Buffer) => {
        secret += bytes.toString();
        socket.write('and back');
      });
    }).listen(0, '127.0.0.1');
    await once(secure, 'listening');
    const { port: securePort } = secure.address() as AddressInfo;
    const trusting = new EgressClient(anywhere, silentLogger, undefined, { ca: certificate.cert });
    const target = pushTarget(new URL(`rtmps://127.0.0.1:${securePort}/app/key`));
    const relay = await RtmpRelay.open(trusting, target, signal, systemClock);
    relays.push(relay);
    const local = dial(relay);
    let answered = '';
    local.on('data', (bytes: Buffer) => void (answered += bytes.toString()));
    local.write('hello');
    await expect.poll(() => [secret, answered]).toEqual(['hello', 'and back']);
    relay.close();
    await expect.poll(() => local.destroyed).toBe(true);
    await new Promise((resolve) => secure.close(resolve));
  });

  it('leads to no address that is not permitted', async () => {
    const strict = new EgressClient(DEFAULT_TARGET_POLICY, silentLogger, (_name, answer) =>
      answer(null, [{ address: '127.0.0.1', family: 4 }]),
    );
    const target = pushTarget(new URL(`rtmp://live.example.com:${port}/app/key`));
    await expect(RtmpRelay.open(strict, target, signal, systemClock)).rejects.toBeInstanceOf(Refusal);
    expect(sockets).toEqual([]);
  });
});
