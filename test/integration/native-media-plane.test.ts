import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { classes, Message, methods, parseMessage } from 'werift';

import { systemClock } from '../../src/base/clock.js';
import { loadNativeAddon } from '../../src/fanout/load-native-addon.js';
import type { Consumer, Producer, ProducerParameters } from '../../src/fanout/media-plane.js';
import { NativeMediaPlane } from '../../src/fanout/native-media-plane.js';
import { silentLogger } from '../../src/base/logger.js';
import { createStreamKitRouter } from '../../src/router.js';
import { describeConsumerSwitch } from './consumer-switch-contract.js';
import { describeMediaPlane, frameOf, nack, payloadsOf, pli, until } from './media-plane-contract.js';
import { credentialsOf, type PlainViewer, PlainViewers } from './plain-viewer.js';
import { openSocket, RebindingNat } from './rebinding-nat.js';

const addon = loadNativeAddon();

function createPlane(sendThreads = 1): NativeMediaPlane {
  if (addon === undefined) throw new Error('The addon is not built.');
  return new NativeMediaPlane({ addon, udpPort: 0, sendThreads, clock: systemClock, logger: silentLogger });
}

const portOf = (candidate: string): number => Number(candidate.split(' ')[5]);
const withoutCandidates = (sdp: string): string => sdp.replace(/a=(candidate:|end-of-candidates).*\r\n/g, '');
const threads = (): number => readdirSync('/proc/self/task').length;
const descriptors = (): number => readdirSync('/proc/self/fd').length;

if (addon !== undefined) {
  describeMediaPlane('native', createPlane);
  describeConsumerSwitch('native', createPlane);
  // What a viewer does goes through the queues to a thread that only sends.
  describeConsumerSwitch('native with threads that send', () => createPlane(2));
}

describe.skipIf(addon === undefined)('the native media plane', () => {
  let plane: NativeMediaPlane;
  let viewers: PlainViewers;
  let keyframesWanted: number;

  beforeEach(() => {
    plane = createPlane();
    viewers = new PlainViewers(plane);
    keyframesWanted = 0;
  });

  afterEach(async () => {
    await viewers.close();
    await plane.close();
  });

  function produce(parameters: Partial<ProducerParameters> = {}): Producer {
    return plane.createProducer(
      { kind: 'video', clockRateHz: 90_000, ...parameters },
      { onKeyframeWanted: () => (keyframesWanted += 1) },
    );
  }

  /** A binding request as a viewer would send it, but under this password. */
  function bindingRequest(usernameFragment: string, password: string): Message {
    return new Message(methods.BINDING, classes.REQUEST)
      .setAttribute('USERNAME', `${usernameFragment}:them`)
      .setAttribute('PRIORITY', 1)
      .setAttribute('ICE-CONTROLLED', 1n)
      .addMessageIntegrity(Buffer.from(password))
      .addFingerprint();
  }

  describe('a viewer that reports losses', () => {
    it('is told to hold its pictures back, if it has accepted to be told', async () => {
      const producer = produce();
      const withoutDelay = (sdp: string): string => sdp.replace(/a=extmap:\d+ \S+playout-delay\r\n/g, '');
      const [told, other] = [await viewers.connect(), await viewers.connect({}, withoutDelay)];
      const delayOf = ({ media, rtp }: PlainViewer): Buffer | undefined =>
        rtp.at(-1)?.header.extensions.find(({ id }) => id === media.video.headerExtensions.playoutDelay)
          ?.payload;
      for (const { media } of [told, other]) media.transport.consume(producer, media.video);
      producer.send(frameOf(true, [100]));
      await until(() => expect(delayOf(told)).toEqual(Buffer.alloc(3)));
      // What is lost counts from the first report on.
      for (const [highestSequence, lost] of [
        [0, 0],
        [1000, 50],
      ] as const) {
        for (const viewer of [told, other]) {
          const report = Buffer.alloc(32);
          report.set([0x81, 201, 0, 7]);
          report.writeUInt32BE(viewer.media.video.ssrc, 8);
          report.writeUInt8(Math.floor(0.05 * 256), 12);
          report.writeUIntBE(lost, 13, 3);
          report.writeUInt32BE(highestSequence, 16);
          viewer.sendRtcp(report);
        }
      }
      // The round trip is not known: 20 ms in units of 10, least and greatest.
      await until(() => {
        producer.send(frameOf(false, [100]));
        expect(delayOf(told)).toEqual(Buffer.from([0x00, 0x20, 0x02]));
      });
      expect(other.media.video.headerExtensions.playoutDelay).toBeUndefined();
      await until(() => expect(other.rtp.length).toBeGreaterThan(1));
      expect(other.rtp.at(-1)?.header.extensions.map(({ payload }) => payload.length)).not.toContain(3);
    });
  });

  describe('its port', () => {
    it('is one for all viewers', async () => {
      const ports = new Set<number>();
      for (let index = 0; index < 3; index += 1) {
        await viewers.connect({}, undefined, (candidate) => {
          ports.add(portOf(candidate));
          return candidate;
        });
      }
      expect([...ports]).toEqual([plane.openPort('127.0.0.1')]);
    });

    it('is one for all addresses, of IPv4 and of IPv6', () => {
      const port = plane.openPort('127.0.0.1');
      expect(port).toBeGreaterThan(0);
      expect([plane.openPort('127.0.0.2'), plane.openPort('::1')]).toEqual([port, port]);
    });

    it('that is taken is refused with one sentence', async () => {
      const socket = await openSocket();
      const { port } = socket.address();
      expect(() => createStreamKitRouter({ udpPort: port, listenAddress: '127.0.0.1' })).toThrow(
        new RegExp(`^UDP port ${port} of 127\\.0\\.0\\.1 cannot be opened: .*EADDRINUSE`),
      );
      socket.close();
    });

    it('is shared by the routers of a process, and stays until the last is closed', async () => {
      const free = await openSocket();
      const { port } = free.address();
      await new Promise<void>((resolve) => free.close(() => resolve()));
      const before = await settledThreads();
      const options = {
        mediaPlane: 'native',
        mediaThreads: 1,
        udpPort: port,
        listenAddress: '127.0.0.1',
      } as const;
      const [first, second] = [createStreamKitRouter(options), createStreamKitRouter(options)];
      // One receives and sends, the other one does DTLS.
      expect(threads()).toBe(before + 2);
      await first.close();
      expect(threads()).toBe(before + 2);
      await second.close();
      expect(threads()).toBe(before);
      // The port is free again.
      await createStreamKitRouter(options).close();
    });
  });

  describe('threads that send', () => {
    it('share the viewers, of whom each is sent all, is heard and may leave', async () => {
      await plane.close();
      const before = await settledThreads();
      plane = createPlane(3);
      viewers = new PlainViewers(plane);
      expect(threads()).toBe(before + 5);
      const producer = produce();
      const watching: { viewer: PlainViewer; consumer: Consumer }[] = [];
      // With four viewers for each thread that is in use, the ninth comes to the third one.
      for (let index = 0; index < 10; index += 1) {
        const viewer = await viewers.connect();
        watching.push({ viewer, consumer: viewer.media.transport.consume(producer, viewer.media.video) });
      }
      const frames = [frameOf(true, [900, 900, 500]), frameOf(false, [70])];
      for (const frame of frames) producer.send(frame);
      for (const { viewer, consumer } of watching) {
        await until(() => expect(viewer.rtp).toHaveLength(4));
        expect(viewer.rtp.map(({ payload }) => payload.toString('hex'))).toEqual(frames.flatMap(payloadsOf));
        viewer.sendRtcp(pli(viewer.media.video.ssrc));
        await until(() => expect(consumer.stats.plisReceived).toBeGreaterThan(0));
        expect(consumer.stats.packetsSent).toBe(4);
      }
      expect(keyframesWanted).toBeGreaterThan(0);
      expect(plane.stats.packetsSent).toBeGreaterThanOrEqual(10 * 4);
      watching[9]?.consumer.close();
      producer.send(frameOf(false, [80]));
      for (const { viewer } of watching.slice(0, 9)) await until(() => expect(viewer.rtp).toHaveLength(5));
      expect(watching[9]?.viewer.rtp).toHaveLength(4);
    });
  });

  describe('what it lets in', () => {
    it('answers STUN of a viewer, but not under a wrong password or for nobody', async () => {
      const viewer = await viewers.connect();
      const { usernameFragment, password } = credentialsOf(viewer.offerSdp);
      const stranger = await openSocket();
      const answers: Buffer[] = [];
      stranger.on('message', (data) => answers.push(data));
      const send = (message: Message): void => {
        stranger.send(message.bytes, plane.openPort('127.0.0.1'), '127.0.0.1');
      };
      const before = plane.stats;
      send(bindingRequest(usernameFragment, `${password}x`));
      send(bindingRequest('nobody', password));
      await until(() => {
        expect(plane.stats.droppedStunIntegrity - before.droppedStunIntegrity).toBe(1);
        expect(plane.stats.droppedUnknownSource - before.droppedUnknownSource).toBe(1);
      });
      const request = bindingRequest(usernameFragment, password);
      send(request);
      const isAnswer = (data: Buffer): boolean =>
        parseMessage(data, Buffer.from(password))?.transactionIdHex === request.transactionIdHex;
      await until(() => expect(answers.some(isAnswer)).toBe(true));
      // All that came back: the one answer, and our own check of the new address.
      expect(answers.filter((data) => data.readUInt16BE(0) === 0x0101).map((data) => isAnswer(data))).toEqual(
        [true],
      );
      stranger.close();
    });

    it('refuses a viewer that has had too many SSRCs under one key, and says so', async () => {
      const { media } = await viewers.connect();
      const producer = produce();
      const consume = (ssrc: number): Consumer =>
        media.transport.consume(producer, { ...media.video, ssrc, rtxSsrc: ssrc + 1 });
      for (let ssrc = 2; ssrc <= 512; ssrc += 2) consume(ssrc).close();
      expect(() => consume(514)).toThrow(
        'A transport takes 512 SSRCs, with RTX and FEC, under one key: open another one',
      );
    });

    it('drops what comes from an unknown source, and goes on', async () => {
      const viewer = await viewers.connect();
      const producer = produce();
      viewer.media.transport.consume(producer, viewer.media.video);
      const stranger = await openSocket();
      const before = plane.stats;
      const datagrams = [
        Buffer.from([22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        Buffer.from([0x80, 200, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
        Buffer.concat([Buffer.from([0x80, 96]), Buffer.alloc(40)]),
      ];
      for (const datagram of datagrams) {
        stranger.send(datagram, plane.openPort('127.0.0.1'), '127.0.0.1');
      }
      stranger.send(Buffer.from([0xff]), plane.openPort('127.0.0.1'), '127.0.0.1');
      await until(() => {
        expect(plane.stats.droppedUnknownSource - before.droppedUnknownSource).toBe(3);
        expect(plane.stats.droppedMalformed - before.droppedMalformed).toBe(1);
      });
      producer.send(frameOf(true, [100]));
      await until(() => expect(viewer.rtp).toHaveLength(1));
      stranger.close();
    });
  });

  describe('a viewer behind a NAT', () => {
    let nat: RebindingNat;

    beforeEach(async () => {
      nat = await RebindingNat.open(plane.openPort('127.0.0.1'));
    });

    afterEach(() => {
      nat.close();
    });

    /** The viewer knows the server as the NAT alone, and the server learns of the viewer from its checks. */
    async function watchThroughNat(producer: Producer): Promise<{ viewer: PlainViewer; consumer: Consumer }> {
      const viewer = await viewers.connect({}, withoutCandidates, (candidate) =>
        candidate.replace(String(plane.openPort('127.0.0.1')), String(nat.port)),
      );
      const consumer = viewer.media.transport.consume(producer, viewer.media.video);
      producer.send(frameOf(true, [100]));
      await until(() => expect(viewer.rtp).toHaveLength(1));
      return { viewer, consumer };
    }

    /** What a viewer does every few seconds to keep its consent. */
    async function check(viewer: PlainViewer): Promise<void> {
      const ice = viewer.client.iceTransports[0]?.connection as any;
      const { localUsername, remoteUsername, iceControlling, nominated } = ice;
      const { localCandidate, remoteAddr } = nominated;
      const request = ice.buildRequest({
        nominate: false,
        localUsername,
        remoteUsername,
        iceControlling,
        localCandidate,
      });
      await nominated.protocol.request(request, remoteAddr, Buffer.from(ice.remotePassword), 4);
    }

    it('is followed to its new address, both ways, without a new connection', async () => {
      const producer = produce();
      const { viewer, consumer } = await watchThroughNat(producer);
      await nat.rebind();
      await check(viewer);
      // Without those that are sent again: some were lost at the old address.
      const sizes = (): number[] =>
        viewer.rtp
          .filter(({ header }) => header.ssrc === viewer.media.video.ssrc)
          .map(({ payload }) => payload.length);
      await until(() => {
        producer.send(frameOf(false, [200]));
        expect(sizes().length).toBeGreaterThan(1);
      });
      const stale = nat.staleDatagrams;
      producer.send(frameOf(false, [300]));
      await until(() => expect(sizes().at(-1)).toBe(300));
      expect(nat.staleDatagrams).toBe(stale);
      // What the viewer sends counts from there.
      viewer.sendRtcp(pli(viewer.media.video.ssrc));
      await until(() => expect(consumer.stats.plisReceived).toBe(1));
    });

    it('is reached by an ICE restart where its way was cut, and gets a keyframe for what it has missed', async () => {
      const producer = produce({ historyMs: 1 });
      const { viewer } = await watchThroughNat(producer);
      const { ssrc } = viewer.media.video;
      nat.cut();
      for (let index = 0; index < 3; index += 1) producer.send(frameOf(false, [200]));
      await viewer.peer.restartIce();
      // Its candidates are told this time: there is a way that does not lead through the NAT.
      await viewer.answerRestart();
      producer.send(frameOf(false, [300]));
      await until(() => expect(viewer.rtp.at(-1)?.payload.length).toBe(300));
      const [before, after] = viewer.rtp.map(({ header }) => header.sequenceNumber);
      expect(after).toBe((before ?? 0) + 4);
      const wanted = keyframesWanted;
      viewer.sendRtcp(nack(ssrc, (before ?? 0) + 1, 0b11));
      // The viewer's own peer may have asked as well.
      await until(() => expect(keyframesWanted).toBeGreaterThan(wanted));
    });

    it('stays where it is while its old address answers', async () => {
      const producer = produce();
      const { viewer } = await watchThroughNat(producer);
      const other = await openSocket();
      // What is sent again, since its answer was late, is the same.
      const others = new Set<string>();
      other.on('message', (data, from) => {
        // Answers each check, as a second interface of the viewer would.
        const remotePassword = credentialsOf(viewer.client.localDescription?.sdp ?? '').password;
        const message = parseMessage(data);
        others.add(`${message?.messageClass} ${message?.transactionIdHex}`);
        if (message?.messageClass !== classes.REQUEST) return;
        const answer = new Message(methods.BINDING, classes.RESPONSE, message.transactionId)
          .setAttribute('XOR-MAPPED-ADDRESS', [from.address, from.port])
          .addMessageIntegrity(Buffer.from(remotePassword))
          .addFingerprint();
        other.send(answer.bytes, from.port, from.address);
      });
      const { usernameFragment, password } = credentialsOf(viewer.offerSdp);
      const request = bindingRequest(usernameFragment, password);
      other.send(request.bytes, plane.openPort('127.0.0.1'), '127.0.0.1');
      // The answer to it, and the check of the new address, which succeeds.
      await until(() => expect(others.size).toBe(2));
      await check(viewer);
      producer.send(frameOf(false, [300]));
      await until(() => expect(viewer.rtp).toHaveLength(2));
      expect(others.size).toBe(2);
      other.close();
    });
  });

  describe('a newcomer', () => {
    it('gets the pictures since the last keyframe where they are replayed, and asks for none', async () => {
      const producer = produce({ gopReplay: true });
      const frames = [frameOf(true, [900, 900, 500]), frameOf(false, [70]), frameOf(false, [80, 80])];
      for (const frame of frames) producer.send(frame);
      const viewer = await viewers.connect();
      const consumer = viewer.media.transport.consume(producer, viewer.media.video);
      await until(() => expect(viewer.rtp).toHaveLength(6));
      const next = frameOf(false, [90]);
      producer.send(next);
      await until(() => expect(viewer.rtp).toHaveLength(7));
      expect(viewer.rtp.map(({ payload }) => payload.toString('hex'))).toEqual(
        [...frames, next].flatMap(payloadsOf),
      );
      const first = viewer.rtp[0]?.header.sequenceNumber ?? -1;
      expect(viewer.rtp.map(({ header }) => header.sequenceNumber - first)).toEqual([0, 1, 2, 3, 4, 5, 6]);
      expect(consumer.stats.framesDropped).toBe(0);
      expect(keyframesWanted).toBe(0);
    });
  });

  describe('its end', () => {
    it('leaves no thread and no descriptor, fifty times over', async () => {
      await plane.close();
      const once = async (): Promise<void> => {
        const opened = createPlane();
        opened.openPort('127.0.0.1');
        opened.openPort('::1');
        opened.createProducer({ kind: 'video', clockRateHz: 90_000 }, { onKeyframeWanted: () => undefined });
        opened.openIceEndpoint().setLocalCredentials('ufrag', 'a password that is long enough');
        await opened.close();
        await opened.close();
      };
      await once();
      const before = { threads: threads(), descriptors: descriptors() };
      for (let index = 0; index < 50; index += 1) await once();
      // What other tests have left may end meanwhile.
      await until(() => {
        expect(threads()).toBeLessThanOrEqual(before.threads);
        expect(descriptors()).toBeLessThanOrEqual(before.descriptors);
      });
    });

    it('comes with that of its worker thread', async () => {
      const before = threads();
      const worker = new Worker(
        `const { parentPort, workerData } = require('node:worker_threads');
         const plane = require(workerData).createPlane({}, () => undefined);
         const { port } = plane.bind('127.0.0.1', 0);
         plane.createProducer({ kind: 'video', clockRateHz: 90000, keyframeIntervalMinMs: 300, historyMs: 1000,
                                gopReplay: true, targetBitrateBps: 1 });
         parentPort.postMessage(port);
         parentPort.on('message', () => undefined);`,
        { eval: true, workerData: addonFile() },
      );
      const [port] = (await once(worker, 'message')) as [number];
      expect(port).toBeGreaterThan(0);
      await worker.terminate();
      await until(() => expect(threads()).toBeLessThanOrEqual(before));
      // Its socket is gone: the port can be had again.
      const again = addon?.createPlane({}, () => undefined);
      expect(again?.bind('127.0.0.1', port).port).toBe(port);
      again?.close();
    });
  });
});

/** Their number once none that another test has left has ended for a while. */
async function settledThreads(): Promise<number> {
  for (let least = threads(), looks = 0; ; looks += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const now = threads();
    if (now === least && looks >= 10) return now;
    if (now !== least) [least, looks] = [now, 0];
  }
}

/** Of the addon that this process has loaded. */
function addonFile(): string {
  const file = process.report.getReport() as unknown as { sharedObjects: string[] };
  const found = file.sharedObjects.find((path) => path.endsWith('media_plane.node'));
  if (found === undefined) throw new Error('The addon is not loaded.');
  return found;
}
