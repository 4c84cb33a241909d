import { describe, expect, it } from 'vitest';
import { Vp8RtpPayload } from 'werift';

import type { EncodedFrame } from '../../../../src/render/encode/encoded-frame.js';
import {
  DEFAULT_MAX_PAYLOAD_BYTES,
  type RtpPayloads,
} from '../../../../src/render/packetize/rtp-payloads.js';
import { Vp8Payloader } from '../../../../src/render/packetize/vp8-payloader.js';
import { seededRandom } from './seeded-random.js';

function frameOf(bytes: Uint8Array): EncodedFrame {
  return {
    codec: 'vp8',
    bytes,
    keyframe: false,
    rtpTimestamp: 90_000,
    captureTimeUs: 1_000_000,
    readTimeUs: 1_000_000,
    encodedTimeUs: 4,
    repeated: false,
    rung: 0 as const,
  };
}

function split(payloads: RtpPayloads): Buffer[] {
  const parts: Buffer[] = [];
  for (let i = 0; i + 1 < payloads.offsets.length; i += 1) {
    parts.push(Buffer.from(payloads.bytes.subarray(payloads.offsets[i], payloads.offsets[i + 1])));
  }
  return parts;
}

describe('Vp8Payloader', () => {
  it('is understood by an independent depacketizer, in pieces of equal size', () => {
    const random = seededRandom(21);
    const payloader = new Vp8Payloader(DEFAULT_MAX_PAYLOAD_BYTES, 0);
    for (let round = 0; round < 100; round += 1) {
      const frame = random.bytes(1 + random.below(20_000));
      const payloads = split(payloader.payload(frameOf(frame)));
      const parsed = payloads.map((payload) => Vp8RtpPayload.deSerialize(payload));
      expect(Buffer.concat(parsed.map((part) => part.payload)).equals(frame)).toBe(true);
      parsed.forEach((part, i) => {
        expect(part.sBit).toBe(i === 0 ? 1 : 0);
        expect(part.pid).toBe(0);
        expect(part.pictureId).toBe(round);
      });
      const sizes = payloads.map((payload) => payload.length);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(DEFAULT_MAX_PAYLOAD_BYTES);
      expect(new Set(sizes.slice(0, -1)).size).toBeLessThanOrEqual(1);
      expect(sizes.length).toBeLessThanOrEqual(Math.ceil(frame.length / (DEFAULT_MAX_PAYLOAD_BYTES - 4)));
    }
  });

  it('wraps the 15-bit picture id', () => {
    const payloader = new Vp8Payloader(DEFAULT_MAX_PAYLOAD_BYTES, 0x7fff);
    const descriptors = [1, 2].map(() =>
      split(payloader.payload(frameOf(Buffer.from([9]))))[0]?.subarray(0, 4),
    );
    expect(descriptors).toEqual([
      Buffer.from([0x90, 0x80, 0xff, 0xff]),
      Buffer.from([0x90, 0x80, 0x80, 0x00]),
    ]);
  });

  it('gives no payload for an empty frame and keeps its picture id for the next', () => {
    const payloader = new Vp8Payloader(DEFAULT_MAX_PAYLOAD_BYTES, 5);
    expect(payloader.payload(frameOf(new Uint8Array())).offsets).toEqual(new Uint32Array([0]));
    expect(split(payloader.payload(frameOf(Buffer.from([1]))))[0]?.readUInt16BE(2)).toBe(0x8005);
  });
});
