import { setImmediate } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RTCDataChannel } from 'werift';

import { systemClock } from '../../src/base/clock.js';
import { loadNativeAddon } from '../../src/fanout/load-native-addon.js';
import type { MediaPlane } from '../../src/fanout/media-plane.js';
import { NativeMediaPlane } from '../../src/fanout/native-media-plane.js';
import { createWeriftMediaPlane } from '../../src/fanout/werift-media-plane.js';
import { silentLogger } from '../../src/base/logger.js';
import type { InputChannel } from '../../src/peer/viewer-peer.js';
import { until } from './media-plane-contract.js';
import { type PlainViewer, PlainViewers } from './plain-viewer.js';

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

/** RFC 9260 appendix A. */
function crc32c(bytes: Buffer): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe.each(planes)('the data channel over the %s media plane', (_name, open) => {
  let plane: MediaPlane;
  let viewers: PlainViewers;
  let viewer: PlainViewer;
  let ours: InputChannel | undefined;
  let theirs: RTCDataChannel;
  let heard: string[];
  let closed: number;

  beforeEach(async () => {
    plane = open();
    viewers = new PlainViewers(plane);
    ours = undefined;
    heard = [];
    closed = 0;
    viewer = await viewers.connect({ input: true }, undefined, undefined, undefined, {
      onInputOpen: (channel) => {
        ours = channel;
      },
      onInputMessage: (text) => void heard.push(text),
      onInputClosed: () => {
        closed += 1;
      },
    });
    await until(() => expect(ours).toBeDefined());
    const [channel] = Object.values(sctpOf(viewer).dataChannels);
    if (channel === undefined) throw new Error('The viewer has no channel');
    theirs = channel;
  });

  afterEach(async () => {
    await viewers.close();
    await plane.close();
  });

  interface Sctp {
    remoteVerificationTag: number;
    localTsn: number;
    send(streamId: number, protocol: number, bytes: Buffer, options: object): Promise<void>;
  }

  function sctpOf({ client }: PlainViewer): { dataChannels: Record<number, RTCDataChannel>; sctp: Sctp } {
    return client.sctpTransport as unknown as ReturnType<typeof sctpOf>;
  }

  /** Sends a packet past the viewer's own SCTP. */
  async function sendPacket(chunk: Buffer): Promise<void> {
    const packet = Buffer.alloc(12 + chunk.length);
    packet.writeUInt16BE(5000, 0);
    packet.writeUInt16BE(5000, 2);
    packet.writeUInt32BE(sctpOf(viewer).sctp.remoteVerificationTag, 4);
    chunk.copy(packet, 12);
    packet.writeUInt32LE(crc32c(packet), 8);
    await viewer.client.dtlsTransports[0]?.sendData(packet);
  }

  it('is ordered, and takes text both ways', async () => {
    expect([theirs.label, theirs.ordered, theirs.maxRetransmits]).toEqual(['input', true, null]);
    const answers: unknown[] = [];
    theirs.onMessage.subscribe((message) => void answers.push(message));
    for (let index = 0; index < 300; index += 1) theirs.send(`${index}`);
    theirs.send('x'.repeat(60_000));
    await until(() => expect(heard).toHaveLength(301));
    expect(heard.slice(0, 300)).toEqual(Array.from({ length: 300 }, (_, index) => `${index}`));
    ours?.send('answer');
    await until(() => expect(answers).toEqual(['answer']));
    await viewer.peer.close();
    expect(closed).toBe(1);
  });

  it('lives on whatever a viewer sends over it', async () => {
    const { sctp } = sctpOf(viewer);
    // Of no length; its parser would never come back.
    await sendPacket(Buffer.from([0, 3, 0, 0]));
    await sendPacket(Buffer.from([4, 0, 0, 8, 0, 1, 0, 0]));
    await viewer.client.dtlsTransports[0]?.sendData(Buffer.from('no packet at all'));
    // What werift's own listener throws at: an answer to what was never asked, and a protocol that there is not.
    await sctp.send(9, 50, Buffer.from([2]), { ordered: true });
    await sctp.send(theirs.id, 99, Buffer.from('?'), { ordered: true });
    await sctp.send(theirs.id, 53, Buffer.from('binary'), { ordered: true });
    await sctp.send(theirs.id, 51, Buffer.alloc(70_000, 'x'), { ordered: true });
    viewer.client.createDataChannel('theirs').send('nobody hears it');
    theirs.send('still there');
    await until(() => expect(heard).toEqual(['still there']));
    expect(closed).toBe(0);
  });

  it('is closed on one that sends fragments without end, and the media goes on', async () => {
    const { sctp } = sctpOf(viewer);
    for (let sent = 0; sent < 600; sent += 1) {
      const chunk = Buffer.alloc(20, 'x');
      // The first of them begins a message; none ends it.
      chunk.writeUInt8(0, 0);
      chunk.writeUInt8(sent === 0 ? 2 : 0, 1);
      chunk.writeUInt16BE(20, 2);
      chunk.writeUInt32BE((sctp.localTsn + sent) >>> 0, 4);
      chunk.writeUInt16BE(theirs.id, 8);
      chunk.writeUInt16BE(0, 10);
      chunk.writeUInt32BE(51, 12);
      await sendPacket(chunk);
      // So that none is lost on the way.
      await setImmediate();
    }
    await until(() => expect(closed).toBe(1));
    expect(viewer.client.connectionState).toBe('connected');
  });
});
