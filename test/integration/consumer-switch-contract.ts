import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { systemClock } from '../../src/base/clock.js';
import type { Consumer, MediaPlane, Producer } from '../../src/fanout/media-plane.js';
import type { RtpPayloads } from '../../src/render/packetize/rtp-payloads.js';
import { frameOf, nack, payloadsOf, until } from './media-plane-contract.js';
import { type PlainViewer, PlainViewers } from './plain-viewer.js';

/** How a consumer goes over from one encoding of a picture to another, over real UDP on loopback. */
export function describeConsumerSwitch(name: string, createPlane: () => MediaPlane): void {
  describe(`a consumer that is switched on the ${name} media plane`, () => {
    let plane: MediaPlane;
    let viewers: PlainViewers;
    let large: Producer;
    let small: Producer;
    let keyframesWanted: Map<string, number>;

    beforeEach(() => {
      plane = createPlane();
      viewers = new PlainViewers(plane);
      keyframesWanted = new Map();
      large = video('large');
      small = video('small');
    });

    afterEach(async () => {
      await viewers.close();
      await plane.close();
    });

    function video(label: string): Producer {
      return plane.createProducer(
        { kind: 'video', clockRateHz: 90_000 },
        { onKeyframeWanted: () => keyframesWanted.set(label, (keyframesWanted.get(label) ?? 0) + 1) },
      );
    }

    async function watchLarge(): Promise<{ viewer: PlainViewer; consumer: Consumer }> {
      const viewer = await viewers.connect();
      const consumer = viewer.media.transport.consume(large, viewer.media.video);
      large.send(frameOf(true, [1000, 1000]));
      await until(() => expect(viewer.rtp).toHaveLength(2));
      return { viewer, consumer };
    }

    it('stays with its producer until the other one sends a keyframe, and asks that one for it', async () => {
      const { viewer, consumer } = await watchLarge();
      let switched = 0;
      consumer.switchTo(small, () => (switched += 1));
      await until(() => expect(keyframesWanted.get('small')).toBe(1));
      expect([large.consumerCount, small.consumerCount]).toEqual([1, 0]);
      small.send(frameOf(false, [33]));
      large.send(frameOf(false, [900]));
      await until(() => expect(viewer.rtp).toHaveLength(3));
      expect(switched).toBe(0);
      const frames = [frameOf(true, [500, 500, 300]), frameOf(false, [50])];
      for (const frame of frames) small.send(frame);
      large.send(frameOf(false, [900]));
      await until(() => expect(switched).toBe(1));
      await until(() => expect(viewer.rtp).toHaveLength(7));
      expect(viewer.rtp.slice(3).map(({ payload }) => payload.toString('hex'))).toEqual(
        frames.flatMap(payloadsOf),
      );
      expect([large.consumerCount, small.consumerCount]).toEqual([0, 1]);
      expectContinuous(viewer);
      expect(consumer.stats.packetsSent).toBe(7);
    });

    it('sends the keyframe of a picture that it was sent already with a later time', async () => {
      const { viewer, consumer } = await watchLarge();
      consumer.switchTo(small);
      await until(() => expect(keyframesWanted.get('small')).toBe(1));
      const captureTimeUs = systemClock.nowUs();
      large.send(frameOf(false, [900], captureTimeUs));
      await until(() => expect(viewer.rtp).toHaveLength(3));
      small.send(frameOf(true, [500, 400], captureTimeUs));
      small.send(frameOf(false, [60], captureTimeUs + 33_000));
      await until(() => expect(viewer.rtp).toHaveLength(6));
      expectContinuous(viewer);
    });

    it('answers a NACK with the packet of the producer that it was sent of', async () => {
      const { viewer, consumer } = await watchLarge();
      consumer.switchTo(small);
      await until(() => expect(keyframesWanted.get('small')).toBe(1));
      small.send(frameOf(true, [500, 400]));
      large.send(frameOf(true, [700]));
      await until(() => expect(viewer.rtp).toHaveLength(4));
      const asked = viewer.rtp[3];
      viewer.sendRtcp(nack(viewer.media.video.ssrc, asked?.header.sequenceNumber ?? -1));
      await until(() => expect(viewer.rtp).toHaveLength(5));
      const { header, payload } = viewer.rtp[4] ?? {};
      expect(header?.ssrc).toBe(viewer.media.video.rtxSsrc);
      expect(header?.timestamp).toBe(asked?.header.timestamp);
      expect(payload?.subarray(2).toString('hex')).toBe(asked?.payload.toString('hex'));
    });

    it('goes over at once when it was sent nothing yet, and back with the next keyframe', async () => {
      const viewer = await viewers.connect();
      const consumer = viewer.media.transport.consume(large, viewer.media.video);
      const went: string[] = [];
      consumer.switchTo(small, () => went.push('small'));
      await until(() => expect(went).toEqual(['small']));
      const frames: RtpPayloads[] = [frameOf(true, [40]), frameOf(true, [50])];
      if (frames[0]) small.send(frames[0]);
      await until(() => expect(viewer.rtp).toHaveLength(1));
      consumer.switchTo(large, () => went.push('large'));
      await until(() => expect(keyframesWanted.get('large')).toBeGreaterThan(0));
      if (frames[1]) large.send(frames[1]);
      await until(() => expect(viewer.rtp).toHaveLength(2));
      await until(() => expect(went).toEqual(['small', 'large']));
      expectContinuous(viewer);
    });

    it('goes over at once when its producer is closed, and ends if the other one is closed too', async () => {
      const { viewer, consumer } = await watchLarge();
      let switched = 0;
      consumer.switchTo(small, () => (switched += 1));
      large.close();
      await until(() => expect(switched).toBe(1));
      expect(small.consumerCount).toBe(1);
      small.send(frameOf(false, [33]));
      small.send(frameOf(true, [500, 400]));
      await until(() => expect(viewer.rtp).toHaveLength(4));
      expectContinuous(viewer);
      const last = video('last');
      consumer.switchTo(last, () => (switched += 1));
      small.close();
      last.close();
      // Its SSRCs are free again.
      const { transport, video: parameters } = viewer.media;
      await until(() => expect(() => transport.consume(video('next'), parameters)).not.toThrow());
      expect(switched).toBe(1);
    });

    it('stays where it is if the other producer is closed or the order is called off', async () => {
      const { viewer, consumer } = await watchLarge();
      const gone = video('gone');
      consumer.switchTo(gone);
      await until(() => expect(keyframesWanted.get('gone')).toBe(1));
      gone.close();
      expect(() => consumer.switchTo(gone)).toThrow('open producer');
      consumer.switchTo(small, () => expect.unreachable());
      consumer.switchTo(large);
      small.send(frameOf(true, [500]));
      large.send(frameOf(false, [70]));
      await until(() => expect(viewer.rtp).toHaveLength(3));
      expect(viewer.rtp[2]?.payload).toHaveLength(70);
      expectContinuous(viewer);
      consumer.switchTo(small);
      consumer.close();
      small.send(frameOf(true, [500]));
      expect([large.consumerCount, small.consumerCount]).toEqual([0, 0]);
    });
  });
}

/** Of the media stream: numbers without a gap, and a later time for each picture. */
function expectContinuous({ rtp, media }: PlainViewer): void {
  const headers = rtp.map(({ header }) => header).filter(({ ssrc }) => ssrc === media.video.ssrc);
  for (const [index, header] of headers.entries()) {
    const before = headers[index - 1];
    if (before === undefined) continue;
    expect(header.sequenceNumber).toBe((before.sequenceNumber + 1) & 0xffff);
    const elapsed = (header.timestamp - before.timestamp) | 0;
    if (before.marker) expect(elapsed).toBeGreaterThan(0);
    else expect(elapsed).toBe(0);
  }
}
