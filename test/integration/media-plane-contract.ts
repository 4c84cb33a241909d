import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { systemClock } from '../../src/base/clock.js';
import type { Consumer, MediaPlane, Producer } from '../../src/fanout/media-plane.js';
import type { RtpPayloads } from '../../src/render/packetize/rtp-payloads.js';
import { until } from '../helpers/patience.js';
import { type PlainViewer, PlainViewers } from './plain-viewer.js';

const NTP_EPOCH_OFFSET_SECONDS = 2_208_988_800;
const VIEWER_SSRC = 0x1234;
const KEYFRAME_INTERVAL_MIN_MS = 100;

export function frameOf(
  keyframe: boolean,
  sizes: readonly number[],
  captureTimeUs = systemClock.nowUs(),
): RtpPayloads {
  const offsets = new Uint32Array(sizes.length + 1);
  sizes.forEach((size, i) => {
    offsets[i + 1] = (offsets[i] ?? 0) + size;
  });
  const bytes = Buffer.from(
    Array.from({ length: offsets[sizes.length] ?? 0 }, (_, i) => (i * 31 + sizes.length) & 0xff),
  );
  return { bytes, offsets, keyframe, rtpTimestamp: videoTimestamp(captureTimeUs), captureTimeUs };
}

function videoTimestamp(monotonicUs: number): number {
  return Number(((BigInt(Math.floor(monotonicUs)) * 9n) / 100n) % 2n ** 32n);
}

export function payloadsOf(frame: RtpPayloads): string[] {
  return Array.from(frame.offsets.slice(1), (end, i) =>
    Buffer.from(frame.bytes.subarray(frame.offsets[i], end)).toString('hex'),
  );
}

function feedback(type: number, format: number, mediaSsrc: number, items: Buffer): Buffer {
  const header = Buffer.from([0x80 | format, type, 0, 2 + items.length / 4]);
  const ssrcs = Buffer.alloc(8);
  ssrcs.writeUInt32BE(VIEWER_SSRC, 0);
  ssrcs.writeUInt32BE(mediaSsrc, 4);
  return Buffer.concat([header, ssrcs, items]);
}

export const nack = (ssrc: number, packetId: number, following = 0): Buffer =>
  feedback(205, 1, ssrc, Buffer.from([packetId >> 8, packetId & 0xff, following >> 8, following & 0xff]));
export const pli = (ssrc: number): Buffer => feedback(206, 1, ssrc, Buffer.alloc(0));
const fir = (ssrc: number, commandSequence: number): Buffer => {
  const item = Buffer.alloc(8);
  item.writeUInt32BE(ssrc, 0);
  item.writeUInt8(commandSequence, 4);
  return feedback(206, 4, 0, item);
};

export { until };

/** The behaviour that every media plane has, over real UDP on loopback. */
export function describeMediaPlane(name: string, createPlane: () => MediaPlane): void {
  describe(`${name} media plane`, () => {
    let plane: MediaPlane;
    let viewers: PlainViewers;
    let keyframesWanted: number;
    let video: Producer;

    beforeEach(() => {
      keyframesWanted = 0;
      plane = createPlane();
      viewers = new PlainViewers(plane);
      video = plane.createProducer(
        { kind: 'video', clockRateHz: 90_000, keyframeIntervalMinMs: KEYFRAME_INTERVAL_MIN_MS },
        {
          onKeyframeWanted: () => {
            keyframesWanted += 1;
          },
        },
      );
    });

    afterEach(async () => {
      await viewers.close();
      await plane.close();
    });

    async function watch(): Promise<{ viewer: PlainViewer; consumer: Consumer }> {
      const viewer = await viewers.connect();
      return { viewer, consumer: viewer.media.transport.consume(video, viewer.media.video) };
    }

    // The first of all, so that nothing of another test is still closing.
    it('says BYE on close and leaves no socket and no timer', async () => {
      const before = await resourcesOnce((names) => !names.includes('UDPWrap'));
      const { viewer } = await watch();
      video.send(frameOf(true, [100]));
      await until(() => expect(viewer.rtp).toHaveLength(1));
      expect(resources()).toContain('UDPWrap');
      viewer.media.transport.close();
      viewer.media.transport.close();
      await until(() => expect(viewer.rtcp.some(endsInBye)).toBe(true));
      await viewer.close();
      await plane.close();
      // A timer of the test runner may have ended meanwhile; none may have come.
      const noneCame = (names: string[]): boolean =>
        !names.includes('UDPWrap') && names.length <= before.length;
      expect(await resourcesOnce(noneCame)).toSatisfy(noneCame);
    });

    it('sends each payload as one packet, with contiguous numbers and the marker on the last', async () => {
      const { viewer, consumer } = await watch();
      const frames = [frameOf(true, [1000, 1000, 700]), frameOf(false, [40]), frameOf(false, [900, 900])];
      for (const frame of frames) {
        video.send(frame);
      }
      await until(() => expect(viewer.rtp).toHaveLength(6));
      const first = viewer.rtp[0]?.header.sequenceNumber ?? -1;
      expect(viewer.rtp.map(({ payload }) => payload.toString('hex'))).toEqual(frames.flatMap(payloadsOf));
      expect(viewer.rtp.map(({ header }) => header.sequenceNumber)).toEqual(
        [0, 1, 2, 3, 4, 5].map((i) => first + i),
      );
      expect(viewer.rtp.map(({ header }) => header.marker)).toEqual([false, false, true, true, false, true]);
      expect(viewer.rtp.map(({ header }) => header.timestamp)).toEqual(
        frames.flatMap((frame) => payloadsOf(frame).map(() => frame.rtpTimestamp)),
      );
      for (const { header } of viewer.rtp) {
        expect(header.ssrc).toBe(viewer.media.video.ssrc);
        expect(header.payloadType).toBe(viewer.media.video.payloadType);
      }
      expect(consumer.stats).toMatchObject({ packetsSent: 6, bytesSent: 4540, framesDropped: 0 });
    });

    it('writes the negotiated header extensions', async () => {
      const { viewer } = await watch();
      const now = moment();
      const captureTimeUs = now.monotonicUs - 250_000;
      const capturedAtMs = now.wallMs - 250;
      video.send(frameOf(true, [100, 100], captureTimeUs));
      await until(() => expect(viewer.rtp).toHaveLength(2));
      const ids = viewer.media.video.headerExtensions;
      expect(Object.keys(ids).sort()).toEqual(['absCaptureTime', 'mid', 'playoutDelay', 'transportWideCc']);
      const extension = (packet: number, id: number | undefined): Buffer =>
        viewer.rtp[packet]?.header.extensions.find((candidate) => candidate.id === id)?.payload ??
        Buffer.alloc(0);
      expect(extension(0, ids.mid).toString()).toBe(viewer.media.video.mid);
      expect(extension(0, ids.playoutDelay)).toEqual(Buffer.alloc(3));
      expect(extension(1, ids.transportWideCc).readUInt16BE(0)).toBe(
        (extension(0, ids.transportWideCc).readUInt16BE(0) + 1) % 65_536,
      );
      const capture = extension(0, ids.absCaptureTime);
      const captureMs =
        (capture.readUInt32BE(0) - NTP_EPOCH_OFFSET_SECONDS) * 1000 +
        (capture.readUInt32BE(4) / 2 ** 32) * 1000;
      expect(Math.abs(captureMs - capturedAtMs)).toBeLessThan(20);
    });

    it('answers a NACK with an RTX packet that carries the original number, and not twice at once', async () => {
      const { viewer, consumer } = await watch();
      const frame = frameOf(true, [1000, 500]);
      video.send(frame);
      await until(() => expect(viewer.rtp).toHaveLength(2));
      const lost = viewer.rtp[1]?.header;
      const asked = nack(viewer.media.video.ssrc, lost?.sequenceNumber ?? 0);
      viewer.sendRtcp(Buffer.concat([asked, asked]));
      await until(() => expect(consumer.stats.nacksReceived).toBe(2));
      await until(() => expect(viewer.rtp.length).toBeGreaterThanOrEqual(3));
      const resent = viewer.rtp[2];
      expect(resent?.header.ssrc).toBe(viewer.media.video.rtxSsrc);
      expect(resent?.header.payloadType).toBe(viewer.media.video.rtxPayloadType);
      expect(resent?.header.timestamp).toBe(lost?.timestamp);
      expect(resent?.header.marker).toBe(true);
      expect(resent?.payload.readUInt16BE(0)).toBe(lost?.sequenceNumber);
      expect(resent?.payload.subarray(2).toString('hex')).toBe(payloadsOf(frame)[1]);
      expect(consumer.stats.packetsRetransmitted).toBe(1);
    });

    it('maps NACKs of a viewer that missed frames to the right packets', async () => {
      video.send(frameOf(true, [10, 10, 10]));
      const { viewer } = await watch();
      video.send(frameOf(false, [20, 20]));
      const frame = frameOf(true, [300, 301, 302]);
      video.send(frame);
      await until(() => expect(viewer.rtp).toHaveLength(3));
      viewer.sendRtcp(nack(viewer.media.video.ssrc, viewer.rtp[0]?.header.sequenceNumber ?? 0, 0b11));
      await until(() => expect(viewer.rtp).toHaveLength(6));
      const resent = viewer.rtp.slice(3).map(({ payload }) => payload.subarray(2).toString('hex'));
      expect(resent).toEqual(payloadsOf(frame));
    });

    it('leaves a NACK unanswered where the answer refused RTX', async () => {
      const viewer = await viewers.connect({}, (sdp) => sdp.replace(/a=(rtpmap|fmtp):103 .*\r\n/g, ''));
      expect(viewer.media.video.rtxPayloadType).toBeUndefined();
      const consumer = viewer.media.transport.consume(video, viewer.media.video);
      video.send(frameOf(true, [100]));
      await until(() => expect(viewer.rtp).toHaveLength(1));
      viewer.sendRtcp(nack(viewer.media.video.ssrc, viewer.rtp[0]?.header.sequenceNumber ?? 0));
      await until(() => expect(consumer.stats.nacksReceived).toBe(1));
      expect(consumer.stats.packetsRetransmitted).toBe(0);
    });

    it('coalesces PLI and FIR into one keyframe request', async () => {
      const { viewer, consumer } = await watch();
      video.send(frameOf(true, [100]));
      await new Promise((resolve) => setTimeout(resolve, 150));
      keyframesWanted = 0;
      const mostWanted = keyframesThatMayBeWanted();
      const { ssrc } = viewer.media.video;
      viewer.sendRtcp(Buffer.concat([pli(ssrc), fir(ssrc, 1), pli(ssrc)]));
      await until(() => expect(consumer.stats).toMatchObject({ plisReceived: 2, firsReceived: 1 }));
      await until(() => expect(keyframesWanted).toBeGreaterThan(0));
      video.send(frameOf(true, [100]));
      const most = mostWanted();
      await new Promise((resolve) => setTimeout(resolve, 150));
      expect(keyframesWanted).toBeLessThanOrEqual(most);
    });

    it('coalesces what several viewers ask for', async () => {
      const [first, second] = await Promise.all([watch(), watch()]);
      video.send(frameOf(true, [100]));
      await new Promise((resolve) => setTimeout(resolve, 150));
      keyframesWanted = 0;
      const mostWanted = keyframesThatMayBeWanted();
      for (const { viewer } of [first, second]) viewer.sendRtcp(pli(viewer.media.video.ssrc));
      for (const { consumer } of [first, second]) {
        await until(() => expect(consumer.stats.plisReceived).toBe(1));
      }
      await until(() => expect(keyframesWanted).toBeGreaterThan(0));
      expect(keyframesWanted).toBeLessThanOrEqual(mostWanted());
      // The second request waits for its time, and goes out unless a keyframe comes first.
      await until(() => expect(keyframesWanted).toBe(2));
    });

    it('sends a newcomer nothing before a keyframe, and asks for one', async () => {
      const { viewer, consumer } = await watch();
      await until(() => expect(keyframesWanted).toBe(1));
      video.send(frameOf(false, [11]));
      video.send(frameOf(true, [22]));
      video.send(frameOf(false, [33]));
      await until(() => expect(viewer.rtp).toHaveLength(2));
      expect(viewer.rtp.map(({ payload }) => payload.length)).toEqual([22, 33]);
      expect(consumer.stats.framesDropped).toBe(1);
    });

    it('sends nothing while paused, then waits for a keyframe with contiguous numbers', async () => {
      const { viewer, consumer } = await watch();
      video.send(frameOf(true, [11]));
      // What has not gone out when it is paused does not go out.
      await until(() => expect(viewer.rtp).toHaveLength(1));
      consumer.pause();
      video.send(frameOf(true, [22]));
      consumer.resume();
      video.send(frameOf(false, [33]));
      video.send(frameOf(true, [44]));
      await until(() => expect(viewer.rtp).toHaveLength(2));
      const [before, after] = viewer.rtp;
      expect([before?.payload.length, after?.payload.length]).toEqual([11, 44]);
      expect(after?.header.sequenceNumber).toBe((before?.header.sequenceNumber ?? 0) + 1);
    });

    it('reports the right wall-clock time and the RTP time of that moment', async () => {
      const { viewer } = await watch();
      const before = moment();
      video.send(frameOf(true, [100]));
      await until(() => expect(viewer.rtcp).not.toHaveLength(0));
      const now = moment();
      const report = viewer.rtcp[0] ?? Buffer.alloc(0);
      expect(report.readUInt8(1)).toBe(200);
      expect(report.readUInt32BE(4)).toBe(viewer.media.video.ssrc);
      const ntpMs =
        (report.readUInt32BE(8) - NTP_EPOCH_OFFSET_SECONDS) * 1000 +
        (report.readUInt32BE(12) / 2 ** 32) * 1000;
      expect(ntpMs).toBeGreaterThan(before.wallMs - 5);
      expect(ntpMs).toBeLessThan(now.wallMs + 5);
      // Both clocks name the same moment: what has passed since the report is the same in either.
      const passedRtp = (videoTimestamp(now.monotonicUs) - report.readUInt32BE(16)) | 0;
      expect(Math.abs(passedRtp / 90 - (now.wallMs - ntpMs))).toBeLessThan(5);
      expect(report.readUInt32BE(20)).toBe(1);
      expect(report.readUInt32BE(24)).toBe(100);
      expect(report.toString('latin1')).toContain(viewer.media.video.cname);
    });

    it('serves several viewers of one source independently, audio beside video', async () => {
      const audio = plane.createProducer(
        { kind: 'audio', clockRateHz: 48_000 },
        { onKeyframeWanted: () => undefined },
      );
      const all = await Promise.all([watch(), watch()]);
      const [first, second] = all;
      for (const { viewer } of all) {
        expect(viewer.media.audio).not.toBeNull();
        if (viewer.media.audio !== null) {
          viewer.media.transport.consume(audio, viewer.media.audio);
        }
      }
      expect([video.consumerCount, audio.consumerCount]).toEqual([2, 2]);
      const frame = frameOf(true, [500, 400]);
      video.send(frame);
      audio.send({ ...frameOf(true, [80]), rtpTimestamp: 960 });
      for (const { viewer } of all) {
        await until(() => expect(viewer.rtp).toHaveLength(3));
        const sound = viewer.rtp.find(({ header }) => header.ssrc === viewer.media.audio?.ssrc);
        expect(sound?.header).toMatchObject({
          timestamp: 960,
          payloadType: viewer.media.audio?.payloadType,
          marker: false,
        });
        expect(viewer.media.audio?.cname).toBe(viewer.media.video.cname);
      }
      first.consumer.close();
      expect(video.consumerCount).toBe(1);
      video.send(frameOf(false, [60]));
      await until(() => expect(second.viewer.rtp).toHaveLength(4));
      expect(first.viewer.rtp).toHaveLength(3);
    });

    it('counts and survives RTCP that is malformed or belongs to nobody', async () => {
      const { viewer } = await watch();
      viewer.sendRtcp(Buffer.from([0x81, 205, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2]));
      viewer.sendRtcp(pli(0xdead));
      await until(() => expect(viewer.media.transport.rtcpDropped).toBe(2));
      video.send(frameOf(true, [100]));
      await until(() => expect(viewer.rtp).toHaveLength(1));
    });

    it('takes loss and round trip from receiver reports', async () => {
      const { viewer, consumer } = await watch();
      const startedMs = performance.now();
      video.send(frameOf(true, [100]));
      await until(() => expect(viewer.rtcp).not.toHaveLength(0));
      const report = Buffer.alloc(32);
      report.set([0x81, 201, 0, 7]);
      report.writeUInt32BE(viewer.media.video.ssrc, 8);
      report.writeUInt8(64, 12);
      report.writeIntBE(-2, 13, 3);
      report.writeUInt32BE(900, 20);
      report.writeUInt32BE(viewer.rtcp[0]?.readUInt32BE(10) ?? 0, 24);
      viewer.sendRtcp(report);
      await until(() => expect(consumer.stats.rttMs).toBeDefined());
      expect(consumer.stats).toMatchObject({ fractionLost: 0.25, packetsLost: -2, jitterMs: 10 });
      expect(consumer.stats.rttMs).toBeLessThan(performance.now() - startedMs + 5);
    });

    it('carries media over an ICE restart', async () => {
      const { viewer } = await watch();
      video.send(frameOf(true, [11]));
      await until(() => expect(viewer.rtp).toHaveLength(1));
      await viewer.peer.restartIce();
      video.send(frameOf(false, [22]));
      await until(() => expect(viewer.rtp).toHaveLength(2));
      const restartSdp = await viewer.answerRestart();
      // A browser that is offered no NACK any more sends none, for the rest of its stay.
      expect(mediaLines(restartSdp)).toEqual(mediaLines(viewer.offerSdp));
      video.send(frameOf(false, [33]));
      await until(() => expect(viewer.rtp).toHaveLength(3));
    });
  });
}

/** What a description says of codecs, their feedback, extensions and sources. */
function mediaLines(sdp: string): string[] {
  return sdp.match(/a=(rtpmap|rtcp-fb|fmtp|extmap|ssrc|ssrc-group|msid):.*/g)?.sort() ?? [];
}

/** One moment on both clocks: read again where this thread stood still between them. */
function moment(): { monotonicUs: number; wallMs: number } {
  for (;;) {
    const monotonicUs = systemClock.nowUs();
    const wallMs = systemClock.wallMs();
    if (systemClock.nowUs() - monotonicUs < 1000) return { monotonicUs, wallMs };
  }
}

/** How many keyframes may have been asked for since this was called: one at once, and one an interval. */
function keyframesThatMayBeWanted(): () => number {
  const startedMs = performance.now();
  return () => 1 + Math.floor((performance.now() - startedMs) / KEYFRAME_INTERVAL_MIN_MS);
}

/** A BYE of two sources (RFC 3550 section 6.6), the media stream and its RTX, is the last packet of a compound. */
function endsInBye(compound: Buffer): boolean {
  return compound.subarray(-12, -10).equals(Buffer.from([0x82, 203]));
}

/** Sockets and timers of this process, and nothing of the test runner's own pipes. */
function resources(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((resource) => /UDP|TCP|Timeout/.test(resource))
    .sort();
}

/** The resources as soon as `check` holds, or after a quarter of a minute. No timer of its own is among them. */
async function resourcesOnce(check: (names: string[]) => boolean): Promise<string[]> {
  for (let attempt = 0; attempt < 750; attempt += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (check(resources())) {
      break;
    }
  }
  return resources();
}
