import { describe, expect, it } from 'vitest';
import { Vp9RtpPayload } from 'werift';

import {
  DEFAULT_MAX_PAYLOAD_BYTES,
  type RtpPayloads,
} from '../../../../src/render/packetize/rtp-payloads.js';
import { Vp9Payloader } from '../../../../src/render/packetize/vp9-payloader.js';
import { seededRandom } from './seeded-random.js';

const DESCRIPTOR_BYTES = 3;
const STRUCTURE_BYTES = 5;
/** The beginning of a keyframe of 640x360 by libvpx. */
const KEYFRAME_HEADER = Buffer.from('824983424027f01676', 'hex');

function payload(payloader: Vp9Payloader, bytes: Uint8Array, keyframe = false): RtpPayloads {
  return payloader.payload({
    ...{ codec: 'vp9', bytes, keyframe, rtpTimestamp: 90_000, captureTimeUs: 1, readTimeUs: 1 },
    ...{ encodedTimeUs: 4, repeated: false, rung: 0 },
  });
}

function split({ bytes, offsets }: RtpPayloads): Buffer[] {
  return Array.from(offsets.subarray(1), (end, i) => Buffer.from(bytes.subarray(offsets[i], end)));
}

describe('Vp9Payloader', () => {
  it('is understood by an independent depacketizer, in pieces of equal size', () => {
    const random = seededRandom(22);
    const payloader = new Vp9Payloader(DEFAULT_MAX_PAYLOAD_BYTES, 0);
    for (let round = 0; round < 200; round += 1) {
      const keyframe = round % 3 === 0;
      const body = random.bytes(1 + random.below(20_000));
      // A first byte of 0x86 depends on pictures before it.
      const frame = Buffer.concat([keyframe ? KEYFRAME_HEADER : Buffer.from([0x86]), body]);
      const payloads = split(payload(payloader, frame, keyframe));
      const parsed = payloads.map((bytes) => Vp9RtpPayload.deSerialize(bytes));
      const bodies = payloads.map((bytes, i) =>
        bytes.subarray(DESCRIPTOR_BYTES + (keyframe && i === 0 ? STRUCTURE_BYTES : 0)),
      );
      expect(Buffer.concat(bodies).equals(frame)).toBe(true);
      parsed.forEach((part, i) => {
        expect(part).toMatchObject({ iBit: 1, lBit: 0, fBit: 0, zBit: 1, pictureId: round });
        expect(part.pBit).toBe(keyframe ? 0 : 1);
        expect(part.bBit).toBe(i === 0 ? 1 : 0);
        expect(part.eBit).toBe(i === payloads.length - 1 ? 1 : 0);
        expect(part.vBit).toBe(keyframe && i === 0 ? 1 : 0);
      });
      if (keyframe) {
        expect(payloads[0]?.subarray(DESCRIPTOR_BYTES, DESCRIPTOR_BYTES + STRUCTURE_BYTES)).toEqual(
          Buffer.from([0x10, 640 >> 8, 640 & 0xff, 360 >> 8, 360 & 0xff]),
        );
      }
      const sizes = payloads.map(({ length }) => length);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(DEFAULT_MAX_PAYLOAD_BYTES);
      expect(new Set(sizes.slice(0, -1)).size).toBeLessThanOrEqual(1);
    }
  });

  it('wraps the 15-bit picture id', () => {
    const payloader = new Vp9Payloader(DEFAULT_MAX_PAYLOAD_BYTES, 0x7fff);
    expect([1, 2].map(() => split(payload(payloader, Buffer.from([0x86])))[0])).toEqual([
      Buffer.from([0xcd, 0xff, 0xff, 0x86]),
      Buffer.from([0xcd, 0x80, 0x00, 0x86]),
    ]);
  });

  it('gives no payload for an empty frame and keeps its picture id for the next', () => {
    const payloader = new Vp9Payloader(DEFAULT_MAX_PAYLOAD_BYTES, 5);
    expect(payload(payloader, new Uint8Array(), true).offsets).toEqual(new Uint32Array([0]));
    expect(split(payload(payloader, Buffer.from([0x86])))[0]?.readUInt16BE(1)).toBe(0x8005);
  });

  it.each([...KEYFRAME_HEADER.keys()])(
    'sends a keyframe that is cut off after %i bytes as it is',
    (length) => {
      const frame = KEYFRAME_HEADER.subarray(0, length);
      const payloads = split(payload(new Vp9Payloader(), frame, true));
      expect(Buffer.concat(payloads.map((bytes) => bytes.subarray(DESCRIPTOR_BYTES)))).toEqual(frame);
    },
  );

  it('tells the largest size that a keyframe can have', () => {
    const largest = Buffer.from('82498342400ffffffff0', 'hex');
    const [bytes] = split(payload(new Vp9Payloader(), largest, true));
    // 65,536 pixels do not fit into the 16 bits that there are.
    expect(bytes?.subarray(DESCRIPTOR_BYTES)).toEqual(largest);
  });
});
