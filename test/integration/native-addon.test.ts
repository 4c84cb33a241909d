import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { classes, Message, methods } from 'werift';

import { loadNativeAddon } from '../../src/fanout/load-native-addon.js';
import type {
  NativeConsumerParameters,
  NativePlane,
  NativeProducerParameters,
} from '../../src/fanout/native-addon.js';

const addon = loadNativeAddon();
const LOOPBACK = '127.0.0.1';
const EXIT_TIMEOUT_MS = 50_000;

const PRODUCER: NativeProducerParameters = {
  kind: 'video',
  clockRateHz: 90_000,
  keyframeIntervalMinMs: 300,
  historyMs: 1000,
  gopReplay: false,
  targetBitrateBps: 4_000_000,
};

const CONSUMER: NativeConsumerParameters = {
  ssrc: 1,
  payloadType: 96,
  rtxSsrc: 2,
  rtxPayloadType: 97,
  redPayloadType: 0,
  fecSsrc: 0,
  fecPayloadType: 0,
  mid: '0',
  cname: 'cname',
  midId: 1,
  rid: '',
  ridId: 0,
  repairedRidId: 0,
  transportWideCcId: 2,
  playoutDelayId: 3,
  absCaptureTimeId: 4,
  playoutDelayMaxMs: 0,
  packetTimeMaxMs: 0,
  targetBitrateBps: 4_000_000,
  forwarded: false,
};

/** Runs a script in a Node of its own. @returns what it printed; rejects where it does not end, or not with 0 */
async function runScript(script: string): Promise<string> {
  // What makes an event of an endpoint `a` with the password `b`.
  const check = new Message(methods.BINDING, classes.REQUEST)
    .setAttribute('USERNAME', 'a:them')
    .addMessageIntegrity(Buffer.from('b'));
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    timeout: EXIT_TIMEOUT_MS,
    env: {
      ...process.env,
      CHECK: check.bytes.toString('hex'),
      PLANE_HOST: pathToFileURL(join(import.meta.dirname, '../../dist/fanout/native-plane-host.js')).href,
      ADDON: join(import.meta.dirname, '../../native/build/Release/media_plane.node'),
    },
  });
  return stdout.trim();
}

const LOAD = `
  import { createRequire } from 'node:module';
  const { createPlane } = createRequire(process.cwd() + '/x.js')(process.env.ADDON);
`;

describe.skipIf(addon === undefined)('the surface of the addon', () => {
  let plane: NativePlane;

  beforeEach(() => {
    if (addon === undefined) throw new Error('The addon is not built.');
    plane = addon.createPlane({}, () => undefined);
  });

  afterEach(() => {
    plane.close();
  });

  it('tells a port that is taken by its code, and gives a bound address again', async () => {
    const taken = createSocket('udp4');
    await new Promise<void>((resolve) => taken.bind(0, LOOPBACK, resolve));
    expect(() => plane.bind(LOOPBACK, taken.address().port)).toThrow(
      expect.objectContaining({ code: 'EADDRINUSE' }),
    );
    taken.close();
    const bound = plane.bind(LOOPBACK, 0);
    expect(plane.bind(LOOPBACK, bound.port)).toEqual(bound);
    expect(() => plane.bind('no address', 0)).toThrow(/no address/);
    expect(() => plane.bind(LOOPBACK, 65_536)).toThrow(/65535/);
  });

  it.skipIf(process.platform !== 'linux')(
    'opens a few sockets per endpoint to TURN servers, and says where they are',
    async () => {
      const server = createServer().listen(0, LOOPBACK);
      await once(server, 'listening');
      const { address, port } = server.address() as AddressInfo;
      const endpoint = plane.createEndpoint('ufrag', 'password');
      const dialled = plane.dialRelay(endpoint, { address, port }, null);
      const [connection] = (await once(server, 'connection')) as [Socket];
      expect([dialled.address, dialled.port]).toEqual([connection.remoteAddress, connection.remotePort]);
      for (const _ of [2, 3, 4]) {
        expect(plane.openRelay(endpoint, LOOPBACK, { address, port })).toMatchObject({ address: LOOPBACK });
      }
      const refusal = expect.objectContaining({ code: 'ERR_ENDPOINT_LIMIT' });
      expect(() => plane.openRelay(endpoint, LOOPBACK, { address, port })).toThrow(refusal);
      expect(() => plane.dialRelay(endpoint, { address, port }, null)).toThrow(refusal);
      connection.destroy();
      server.close();
    },
  );

  it('refuses used SSRCs and what is closed, and ignores late calls', () => {
    const endpoint = plane.createEndpoint('ufrag', 'password');
    const transport = plane.createTransport(endpoint);
    const producer = plane.createProducer(PRODUCER);
    const consumer = plane.consume(transport, producer, CONSUMER);
    expect(() => plane.consume(transport, producer, { ...CONSUMER, ssrc: 3 })).toThrow(/SSRC/);
    expect(plane.consumerStats(consumer)).toMatchObject({ packetsSent: 0, rttMs: -1 });
    plane.closeEndpoint(endpoint);
    expect(plane.consumerStats(consumer)).toBeUndefined();
    expect(() => plane.consume(transport, producer, CONSUMER)).toThrow(/open/);
    plane.closeProducer(producer);
    plane.sendFrame(producer, new Uint8Array(10), Uint32Array.of(0, 10), 0, 0, true);
    plane.pauseConsumer(consumer);
    plane.closeTransport(transport);
    plane.close();
    plane.close();
    plane.sendFrame(producer, new Uint8Array(10), Uint32Array.of(0, 10), 0, 0, true);
    expect(() => plane.bind(LOOPBACK, 0)).toThrow(/closed/);
    expect(() => plane.createProducer(PRODUCER)).toThrow(/closed/);
  });

  it('forgets the transport that another one of its endpoint replaces, with its consumers and no others', () => {
    const endpoint = plane.createEndpoint('ufrag', 'password');
    const beside = plane.createTransport(plane.createEndpoint('beside', 'password'));
    const producer = plane.createProducer(PRODUCER);
    const kept = plane.consume(beside, producer, CONSUMER);
    const former = plane.createTransport(endpoint);
    const consumer = plane.consume(former, producer, CONSUMER);
    const transport = plane.createTransport(endpoint);
    expect([plane.transportStats(former), plane.consumerStats(consumer)]).toEqual([undefined, undefined]);
    plane.closeTransport(former);
    // The SSRCs of one that is closed may be used again.
    plane.closeConsumer(plane.consume(transport, producer, CONSUMER));
    const last = plane.consume(transport, producer, CONSUMER);
    plane.closeTransport(transport);
    expect([plane.transportStats(transport), plane.consumerStats(last)]).toEqual([undefined, undefined]);
    const next = plane.createTransport(endpoint);
    plane.closeEndpoint(endpoint);
    expect(plane.transportStats(next)).toBeUndefined();
    expect(plane.transportStats(beside)).toBeDefined();
    expect(plane.consumerStats(kept)).toMatchObject({ packetsSent: 0 });
  });

  it('reads no byte beyond a frame, whatever the offsets say', () => {
    const producer = plane.createProducer(PRODUCER);
    for (const offsets of [
      [0, 11],
      [5, 3],
      [0, 0],
      [0, 4_294_967_295],
      [0, 5, 4],
    ]) {
      expect(() => {
        plane.sendFrame(producer, new Uint8Array(10), Uint32Array.from(offsets), 0, 0, true);
      }).toThrow(/offsets/);
    }
    expect(() => {
      plane.sendFrame(producer, new Uint8Array(3000), Uint32Array.of(0, 3000), 0, 0, true);
    }).toThrow(/offsets/);
  });

  it('throws where it is called with something else, or on something else', () => {
    const loose = plane as unknown as Record<string, (...values: unknown[]) => unknown>;
    for (const name of Object.keys(loose)) {
      if (name === 'close' || name === 'stats' || name === 'openMediaSocket') continue;
      expect(() => loose[name]?.(Symbol('x'), {}, null), name).toThrow(/Expected/);
      expect(() => loose[name]?.call({}, 1), name).toThrow(/something else/);
    }
    expect(() => addon?.createPlane({}, undefined as never)).toThrow(/function for events/);
  });

  it('lets a process end that has not closed its planes, and survives many of them', async () => {
    expect(
      await runScript(`${LOAD}
        for (let i = 0; i < 20; i += 1) createPlane({}, () => {}).close();
        for (let i = 0; i < 5; i += 1) createPlane({}, () => {}).bind('127.0.0.1', 0);
        console.log('ends');`),
    ).toBe('ends');
  });

  it('throws if the system gives it no thread, which is unavailable to a router', async () => {
    // Limits of this kind do not hold for root, so the process is nobody from then on.
    expect(
      await runScript(`${LOAD}
        import { execFileSync } from 'node:child_process';
        const { NativePlaneHost } = await import(process.env.PLANE_HOST);
        const logger = { error() {}, debug() {} };
        NativePlaneHost.acquire({ createPlane }, 0, logger).release();
        execFileSync('prlimit', ['--pid', String(process.pid), '--nproc=1:1']);
        if (process.getuid() === 0) process.setuid(65534);
        for (const start of [
          () => createPlane({}, () => {}),
          () => NativePlaneHost.acquire({ createPlane }, 0, logger),
        ]) {
          try {
            start();
          } catch (error) {
            console.log(error.code, error.message);
          }
        }`),
    ).toBe(
      ['EAGAIN', 'unavailable']
        .map((code) => `${code} The media plane could not start its thread: EAGAIN`)
        .join('\n'),
    );
  });

  it('ends with process.exit() and with a worker that is terminated while events come in', async () => {
    expect(
      await runScript(`
        import { Worker } from 'node:worker_threads';
        const code = \`
          const { createPlane } = require(process.env.ADDON);
          const { parentPort } = require('node:worker_threads');
          const plane = createPlane({}, (events) => parentPort.postMessage(events[0].type));
          const { port, socket } = plane.bind('127.0.0.1', 0);
          const endpoint = plane.createEndpoint('a', 'b');
          const check = Buffer.from(process.env.CHECK, 'hex');
          setInterval(() => plane.sendPacket(endpoint, socket, { address: '127.0.0.1', port }, check), 1);
        \`;
        for (let i = 0; i < 5; i += 1) {
          const worker = new Worker(code, { eval: true, execArgv: [] });
          const type = await new Promise((resolve) => worker.once('message', resolve));
          await worker.terminate();
          console.log('terminated after', type);
        }
        process.exit(0);`),
    ).toBe(Array.from({ length: 5 }, () => 'terminated after packet').join('\n'));
  });
});
