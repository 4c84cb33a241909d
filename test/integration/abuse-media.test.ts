import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { classes, Message, methods, type RTCDataChannel } from 'werift';

import { systemClock } from '../../src/base/clock.js';
import { silentLogger } from '../../src/base/logger.js';
import { loadNativeAddon } from '../../src/fanout/load-native-addon.js';
import type { MediaPlane } from '../../src/fanout/media-plane.js';
import { NativeMediaPlane } from '../../src/fanout/native-media-plane.js';
import { createWeriftMediaPlane } from '../../src/fanout/werift-media-plane.js';
import { resourcesInUse } from '../helpers/resources.js';
import { seededRandom } from '../helpers/seeded-random.js';
import { SEED } from '../helpers/seed.js';
import { frameOf, until } from './media-plane-contract.js';
import { credentialsOf, type PlainViewer, PlainViewers } from './plain-viewer.js';
import { stunCheck } from './stun-check.js';

const DATAGRAMS = 20_000;

const addon = loadNativeAddon();
const planes: [name: string, open: () => MediaPlane][] = [
  ['werift', () => createWeriftMediaPlane({ clock: systemClock, logger: silentLogger })],
  ...(addon === undefined
    ? []
    : [
        [
          'native',
          () => new NativeMediaPlane({ addon, udpPort: 0, clock: systemClock, logger: silentLogger }),
        ] as [string, () => MediaPlane],
      ]),
];

/** A ClientHello of DTLS 1.2 (RFC 6347 section 4.2.1), without a cookie by default: what an amplifier would be sent. */
function clientHello(sequence: number, cookieBytes = 0): Buffer {
  const body = Buffer.concat([
    Buffer.from([254, 253]),
    Buffer.alloc(32, sequence),
    Buffer.from([0, cookieBytes]),
    Buffer.alloc(cookieBytes, sequence),
    // One cipher suite, no compression.
    Buffer.from([0, 2, 0xc0, 0x2b, 1, 0]),
  ]);
  const handshake = Buffer.alloc(12);
  handshake.writeUInt8(1, 0);
  handshake.writeUIntBE(body.length, 1, 3);
  handshake.writeUInt16BE(sequence % 65_536, 4);
  handshake.writeUIntBE(body.length, 9, 3);
  const record = Buffer.alloc(13);
  record.set([22, 254, 253]);
  record.writeUIntBE(sequence, 5, 6);
  record.writeUInt16BE(handshake.length + body.length, 11);
  return Buffer.concat([record, handshake, body]);
}

/** A record of DTLS 1.2 (RFC 6347 section 4.1). */
function record(type: number, epoch: number, content: Buffer): Buffer {
  const header = Buffer.alloc(13);
  header.set([type, 254, 253]);
  header.writeUInt16BE(epoch, 3);
  header.writeUIntBE(epoch === 0 ? 0 : 1_000_000, 5, 6);
  header.writeUInt16BE(content.length, 11);
  return Buffer.concat([header, content]);
}

/** A ClientHello in a record of its own (RFC 6347 section 4.3.1). */
function isHello(datagram: Buffer): boolean {
  return datagram[0] === 22 && datagram[13] === 1;
}

/** @throws Error as long as there is none. */
function openChannelOf({ client }: PlainViewer): RTCDataChannel {
  const { dataChannels } = client.sctpTransport as unknown as {
    dataChannels: Record<number, RTCDataChannel>;
  };
  const channel = Object.values(dataChannels).find(({ readyState }) => readyState === 'open');
  if (channel === undefined) throw new Error('The viewer has no open data channel');
  return channel;
}

/** The way that ICE has found, past DTLS. */
function pathOf({ client }: PlainViewer): {
  readonly send: (datagram: Buffer) => Promise<void>;
  /** Bytes other than of STUN. */
  readonly received: () => number;
  readonly onDatagram: (heard: (datagram: Buffer) => void) => void;
} {
  const connection = client.iceTransports[0]?.connection;
  if (connection === undefined) throw new Error('The viewer has no path');
  return {
    send: (datagram) => connection.send(datagram),
    received: () => connection.nominated?.bytesReceived ?? 0,
    onDatagram: (heard) => void connection.onData.subscribe((datagram) => heard(datagram)),
  };
}

describe.each(planes)(`strangers of the %s media plane, seed ${SEED}`, (_name, open) => {
  let plane: MediaPlane;
  let viewers: PlainViewers;
  let viewer: PlainViewer;
  let channel: RTCDataChannel;
  /** What has come over it. */
  let heard: string[];
  /** Those that the viewer has said itself, the one with the cookie too. */
  let hellos: Buffer[];
  let stranger: Socket;
  /** Bytes that the stranger was answered. */
  let answered: number;
  let port: number;

  beforeEach(async () => {
    plane = open();
    viewers = new PlainViewers(plane);
    hellos = [];
    heard = [];
    viewer = await viewers.connect(
      { input: true },
      undefined,
      undefined,
      (datagram, send) => {
        if (isHello(datagram)) hellos.push(datagram);
        return send(datagram);
      },
      { onInputMessage: (text) => void heard.push(text) },
    );
    channel = await until(() => openChannelOf(viewer));
    stranger = createSocket('udp4').bind(0, '127.0.0.1');
    await once(stranger, 'listening');
    answered = 0;
    stranger.on('message', (datagram) => (answered += datagram.byteLength));
    port = viewer.client.iceTransports[0]?.connection.nominated?.remoteCandidate.port ?? 0;
    expect(port).toBeGreaterThan(0);
  });

  afterEach(async () => {
    stranger.close();
    await viewers.close();
    await plane.close();
  });

  async function flood(datagram: (index: number) => Buffer): Promise<void> {
    for (let index = 0; index < DATAGRAMS; index++) {
      const sent = new Promise<void>((resolve) => {
        stranger.send(datagram(index), port, '127.0.0.1', () => resolve());
      });
      if (index % 100 === 0) await sent;
    }
  }

  /** Its media and its messages still arrive, and what was thrown at it is not kept. */
  async function expectUnharmed(before: { heapBytes: number }): Promise<void> {
    const producer = plane.createProducer(
      { kind: 'video', clockRateHz: 90_000 },
      { onKeyframeWanted: () => undefined },
    );
    viewer.media.transport.consume(producer, viewer.media.video);
    const arrived = viewer.rtp.length;
    await until(() => {
      producer.send(frameOf(true, [100]));
      expect(viewer.rtp.length).toBeGreaterThan(arrived);
    });
    await until(async () => {
      const { heapBytes } = await resourcesInUse();
      expect(heapBytes - before.heapBytes).toBeLessThan(16 * 2 ** 20);
    });
    producer.close();
    channel.send('still there');
    await until(() => expect(heard).toEqual(['still there']));
    expect(viewer.left()).toBe(false);
  }

  it(
    'are not answered to a flood of DTLS hellos: there is nothing to amplify',
    { timeout: 60_000 },
    async () => {
      const before = await resourcesInUse();
      await flood(clientHello);
      await expectUnharmed(before);
      expect(answered).toBe(0);
    },
  );

  it('gain nothing by the address of a viewer that is connected', { timeout: 60_000 }, async () => {
    const before = await resourcesInUse();
    const path = pathOf(viewer);
    // Its own ones too: where there are two, the second has a cookie that is good.
    const own = [...hellos];
    expect(own.length).toBeGreaterThan(0);
    let answeredBytes = 0;
    path.onDatagram(({ 0: first = 0, byteLength }) => {
      // RFC 7983 section 7.
      if (first >= 20 && first <= 63) answeredBytes += byteLength;
    });
    let sentBytes = 0;
    for (const helloAt of [clientHello, ...own.map((each) => () => each)]) {
      for (let index = 0; index < DATAGRAMS; index++) {
        const hello = helloAt(index);
        sentBytes += hello.byteLength;
        const sent = path.send(hello);
        if (index % 100 === 0) await sent;
      }
    }
    await expectUnharmed(before);
    expect(answeredBytes).toBeLessThan(sentBytes / 100);
  });

  it(
    'get fewer bytes than they send, though they repeat each datagram of their handshake',
    { timeout: 60_000 },
    async () => {
      let sentBytes = 0;
      const repeating = await viewers.connect({}, undefined, undefined, async (datagram, send) => {
        for (let time = 0; time < 200; time++) {
          sentBytes += datagram.byteLength;
          await send(datagram);
        }
      });
      expect(pathOf(repeating).received()).toBeGreaterThan(0);
      expect(pathOf(repeating).received()).toBeLessThan(sentBytes / 10);
    },
  );

  it('cannot end a connection, by records of any kind and from any address', async () => {
    const random = seededRandom(SEED);
    const path = pathOf(viewer);
    const sendToo = (datagram: Buffer): Promise<unknown> =>
      Promise.all([
        path.send(datagram),
        new Promise<void>((resolve) => stranger.send(datagram, port, '127.0.0.1', () => resolve())),
      ]);
    for (let type = 20; type < 64; type++) {
      for (const epoch of [0, 1, 2]) {
        for (const alert of [1, 2]) await sendToo(record(type, epoch, Buffer.from([alert, 0])));
        const noise = Buffer.from(Array.from({ length: 60 }, () => Math.floor(random() * 256)));
        await sendToo(record(type, epoch, noise));
        // Less than it says, and less than a header.
        await sendToo(record(type, epoch, noise).subarray(0, 40));
        await sendToo(record(type, epoch, noise).subarray(0, 1 + (type % 12)));
      }
    }
    await expectUnharmed(await resourcesInUse());
  });

  it('are not answered to STUN that is not signed with our password, and change nothing by it', async () => {
    const { usernameFragment, password } = credentialsOf(viewer.offerSdp);
    // Of a longer password, of none, and of a name that there is not.
    const requests = [
      stunCheck(`${usernameFragment}:x`)
        .addMessageIntegrity(Buffer.from(`${password}x`))
        .addFingerprint(),
      stunCheck(`${usernameFragment}:x`).addFingerprint(),
      stunCheck(`${usernameFragment}x:x`).addMessageIntegrity(Buffer.from(password)).addFingerprint(),
      new Message(methods.BINDING, classes.REQUEST).addFingerprint(),
      ...['__proto__', 'constructor', 'toString'].map((name) =>
        stunCheck(`${name}:x`).addMessageIntegrity(Buffer.from(password)).addFingerprint(),
      ),
    ];
    await flood((index) => requests[index % requests.length]?.bytes ?? Buffer.alloc(0));
    await expectUnharmed(await resourcesInUse());
    expect(answered).toBe(0);
    // One that is would be.
    const signed = stunCheck(`${usernameFragment}:x`)
      .addMessageIntegrity(Buffer.from(password))
      .addFingerprint();
    await until(() => {
      stranger.send(signed.bytes, port, '127.0.0.1');
      expect(answered).toBeGreaterThan(0);
    });
  });

  it('cannot inject RTP, RTCP or what else looks like it', { timeout: 60_000 }, async () => {
    const random = seededRandom(SEED);
    const before = await resourcesInUse();
    const arrived = viewer.rtp.length;
    await flood((index) => {
      const datagram = Buffer.alloc(12 + Math.floor(random() * 1200));
      for (let at = 0; at < datagram.length; at++) datagram[at] = Math.floor(random() * 256);
      // RFC 7983 section 7: RTP and RTCP first, then a byte of each other kind.
      datagram[0] = index % 2 === 0 ? 0x80 : index % 256;
      if (index % 4 === 0) datagram[1] = 200 + (index % 7);
      return datagram;
    });
    expect(viewer.rtp.length).toBe(arrived);
    await expectUnharmed(before);
    expect(answered).toBe(0);
  });
});
