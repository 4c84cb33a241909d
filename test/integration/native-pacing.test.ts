import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RtpPacket } from 'werift';

import { systemClock } from '../../src/base/clock.js';
import { loadNativeAddon } from '../../src/fanout/load-native-addon.js';
import type { Producer } from '../../src/fanout/media-plane.js';
import { NativeMediaPlane } from '../../src/fanout/native-media-plane.js';
import { silentLogger } from '../../src/base/logger.js';
import { frameOf, payloadsOf, until } from './media-plane-contract.js';
import { PlainViewers } from './plain-viewer.js';

const addon = loadNativeAddon();
const MBIT = 1_000_000;

describe.skipIf(addon === undefined)('the native media plane', () => {
  let plane: NativeMediaPlane;
  let viewers: PlainViewers;
  let keyframesWanted: number;

  beforeEach(() => {
    if (addon === undefined) throw new Error('The addon is not built.');
    plane = new NativeMediaPlane({ addon, udpPort: 0, clock: systemClock, logger: silentLogger });
    viewers = new PlainViewers(plane);
    keyframesWanted = 0;
  });

  afterEach(async () => {
    await viewers.close();
    await plane.close();
  });

  function produce(parameters: { gopReplay?: boolean; targetBitrateBps?: number }): Producer {
    return plane.createProducer(
      { kind: 'video', clockRateHz: 90_000, ...parameters },
      { onKeyframeWanted: () => (keyframesWanted += 1) },
    );
  }

  describe('a group of pictures that is to be replayed', () => {
    it('is ended by a keyframe when it has become long, but not on a still page or for nobody', async () => {
      const producer = produce({ gopReplay: true });
      producer.send(frameOf(true, [100]));
      for (let index = 0; index < 100; index += 1) producer.send(frameOf(false, [10]));
      expect(keyframesWanted).toBe(0);
      const viewer = await viewers.connect();
      const consumer = viewer.media.transport.consume(producer, viewer.media.video);
      await until(() => expect(consumer.stats.packetsSent).toBe(101));
      expect(keyframesWanted).toBe(0);
      producer.send(frameOf(false, [10]));
      await until(() => expect(keyframesWanted).toBe(1));
      producer.send(frameOf(true, [100]));
      for (let index = 0; index < 88; index += 1) producer.send(frameOf(false, [10]));
      await until(() => expect(consumer.stats.packetsSent).toBe(102 + 89));
      expect(keyframesWanted).toBe(1);
    });
  });

  describe('its pacer', () => {
    it('spreads a keyframe over time, with sound before it', async () => {
      const producer = produce({ targetBitrateBps: 10 * MBIT });
      const audio = plane.createProducer(
        { kind: 'audio', clockRateHz: 48_000 },
        { onKeyframeWanted: () => undefined },
      );
      const viewer = await viewers.connect();
      const consumer = viewer.media.transport.consume(producer, viewer.media.video);
      if (viewer.media.audio === null) throw new Error('The viewer takes no sound');
      viewer.media.transport.consume(audio, viewer.media.audio);
      const sizes = Array.from({ length: 250 }, (_, index) => (index === 249 ? 900 : 1100));
      const startedMs = performance.now();
      const [keyframe, sound] = [frameOf(true, sizes), { ...frameOf(true, [80]), rtpTimestamp: 960 }];
      producer.send(keyframe);
      audio.send(sound);
      // Sent, not arrived: a viewer that stands still meanwhile has no room for all of it.
      await until(() => expect(consumer.stats.packetsSent).toBe(sizes.length));
      const tookMs = performance.now() - startedMs;
      // 275 kB at two and a half times 10 Mbit/s are 88 ms, of which the last burst of 16 packets takes no time.
      expect(tookMs).toBeGreaterThan(60);
      const soundAt = (): number =>
        viewer.rtp.findIndex(({ header }) => header.ssrc === viewer.media.audio?.ssrc);
      await until(() => expect(soundAt()).toBeGreaterThanOrEqual(0));
      expect(soundAt()).toBeLessThan(125);
    });

    it('follows the rate that the source is encoded at, also for a viewer who is there already', async () => {
      const producer = produce({ gopReplay: true, targetBitrateBps: 1000 * MBIT });
      const viewer = await viewers.connect();
      const consumer = viewer.media.transport.consume(producer, viewer.media.video);
      producer.setTargetBitrate(6 * MBIT);
      const startedMs = performance.now();
      const sizes = Array.from({ length: 400 }, () => 1100);
      producer.send(frameOf(true, sizes));
      await until(() => expect(consumer.stats.packetsSent).toBe(400));
      // 440 kB at two and a half times 6 Mbit/s are 235 ms; at the rate of before they take some 25 ms.
      expect(performance.now() - startedMs).toBeGreaterThan(200);
      // The bound of what is replayed follows too: 1.2 s of 6 Mbit/s are 900 kB.
      keyframesWanted = 0;
      for (let index = 0; index < 4; index += 1) producer.send(frameOf(false, sizes.slice(0, 100)));
      await until(() => expect(consumer.stats.packetsSent).toBe(800));
      expect(keyframesWanted).toBe(0);
      producer.send(frameOf(false, sizes.slice(0, 100)));
      await until(() => expect(keyframesWanted).toBe(1));
    });

    it('drops to the next keyframe when too much waits, and asks for it once', async () => {
      const producer = produce({ targetBitrateBps: MBIT });
      const viewer = await viewers.connect();
      const consumer = viewer.media.transport.consume(producer, viewer.media.video);
      // More than a frame may have that goes out whole for delay: what is paced piles up.
      const big = Array.from({ length: 100 }, () => 1100);
      producer.send(frameOf(true, big));
      await until(() => expect(viewer.rtp.length).toBeGreaterThan(0));
      keyframesWanted = 0;
      const startedMs = performance.now();
      for (let index = 0; index < 20; index += 1) producer.send(frameOf(false, big));
      await until(() => expect(consumer.stats.framesDropped).toBeGreaterThan(0));
      const last = frameOf(true, [33]);
      // What was lost in the viewer's own socket is sent again meanwhile.
      const isLast = ({ header, payload }: RtpPacket): boolean =>
        header.ssrc === viewer.media.video.ssrc && payload.toString('hex') === payloadsOf(last)[0];
      let given = 0;
      await until(() => {
        for (; given < keyframesWanted; given += 1) producer.send(last);
        expect(viewer.rtp.some(isLast)).toBe(true);
      });
      // At most one in 300 ms, however many frames are dropped.
      expect(keyframesWanted).toBeLessThanOrEqual(1 + (performance.now() - startedMs) / 300);
    });
  });
});
