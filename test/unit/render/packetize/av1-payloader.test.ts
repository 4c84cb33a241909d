import { describe, expect, it } from 'vitest';
import { AV1RtpPayload } from 'werift';

import { av1ObusOf, isAv1Keyframe } from '../../../../src/render/packetize/av1-obus.js';
import { Av1Payloader } from '../../../../src/render/packetize/av1-payloader.js';
import {
  DEFAULT_MAX_PAYLOAD_BYTES,
  type RtpPayloads,
} from '../../../../src/render/packetize/rtp-payloads.js';
import { seededRandom } from './seeded-random.js';

const SEQUENCE_HEADER = 1;
const TEMPORAL_DELIMITER = 2;
const FRAME = 6;
const TILE_LIST = 8;
const PADDING = 15;
/** A temporal unit of 640x360 by SVT-AV1: delimiter, sequence header, and the beginning of its frame. */
const SVT_KEYFRAME = Buffer.from('12000a0e0000000cc4ff6712be4408080410', 'hex');

/** A unit as an encoder gives it, with its size, which may be written longer than it need be. */
function obu(type: number, body: Uint8Array, { extension = false, lengthBytes = 4 } = {}): Buffer {
  const size = Array.from({ length: lengthBytes }, (_, index) => {
    return ((body.length >> (7 * index)) & 0x7f) | (index < lengthBytes - 1 ? 0x80 : 0);
  });
  const header = [(type << 3) | (extension ? 4 : 0) | 2, ...(extension ? [0x20] : [])];
  return Buffer.concat([Buffer.from([...header, ...size]), body]);
}

/** What is sent of one: without its size. */
function sent(type: number, body: Uint8Array, extension = false): Buffer {
  return Buffer.concat([
    Buffer.from([(type << 3) | (extension ? 4 : 0), ...(extension ? [0x20] : [])]),
    body,
  ]);
}

function payload(bytes: Uint8Array, keyframe = false, maxBytes = DEFAULT_MAX_PAYLOAD_BYTES): RtpPayloads {
  return new Av1Payloader(maxBytes).payload({
    ...{ codec: 'av1', bytes, keyframe, rtpTimestamp: 90_000, captureTimeUs: 1, readTimeUs: 1 },
    ...{ encodedTimeUs: 4, repeated: false, rung: 0 },
  });
}

function split({ bytes, offsets }: RtpPayloads): Buffer[] {
  return Array.from(offsets.subarray(1), (end, i) => Buffer.from(bytes.subarray(offsets[i], end)));
}

/** Puts the elements of payloads together again, by the Z and Y bits. */
function unitsOf(payloads: readonly AV1RtpPayload[]): Buffer[] {
  const units: Buffer[] = [];
  let isOpen = false;
  for (const one of payloads) {
    const elements = one.obu_or_fragment.map(({ data }) => data);
    expect(one.zBit_RtpStartsWithFragment).toBe(isOpen ? 1 : 0);
    elements.forEach((data, index) => {
      if (index === 0 && isOpen) units.push(Buffer.concat([units.pop() ?? Buffer.alloc(0), data]));
      else units.push(data);
    });
    isOpen = one.yBit_RtpEndsWithFragment === 1;
  }
  expect(isOpen).toBe(false);
  return units;
}

describe('Av1Payloader', () => {
  it('is understood by an independent depacketizer, in pieces of about equal size', () => {
    const random = seededRandom(23);
    for (let round = 0; round < 200; round += 1) {
      const keyframe = round % 3 === 0;
      const maxBytes = 64 + random.below(1200);
      const units = Array.from({ length: 1 + random.below(3) }, (_, index) => ({
        type: keyframe && index === 0 ? SEQUENCE_HEADER : FRAME,
        body: random.bytes(random.below(round % 2 === 0 ? 60 : 8000)),
        extension: random.below(4) === 0,
      }));
      const unit = Buffer.concat([
        obu(TEMPORAL_DELIMITER, Buffer.alloc(0)),
        ...units.map(({ type, body, extension }) => obu(type, body, { extension })),
        obu(PADDING, random.bytes(9)),
        obu(TILE_LIST, random.bytes(9)),
      ]);
      const payloads = split(payload(unit, keyframe, maxBytes));
      const parsed = payloads.map((bytes) => AV1RtpPayload.deSerialize(bytes));
      expect(unitsOf(parsed)).toEqual(units.map(({ type, body, extension }) => sent(type, body, extension)));
      parsed.forEach((one, index) => {
        expect(one.w_RtpNumObus).toBe(one.obu_or_fragment.length);
        expect(one.nBit_RtpStartsNewCodedVideoSequence).toBe(keyframe && index === 0 ? 1 : 0);
      });
      const sizes = payloads.map(({ length }) => length);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(maxBytes);
      const full = sizes.slice(0, -1);
      if (full.length > 0) expect(Math.max(...full) - Math.min(...full)).toBeLessThanOrEqual(4);
    }
  });

  it('takes a last unit without a size', () => {
    const body = Buffer.from([1, 2, 3]);
    const [bytes] = split(
      payload(Buffer.concat([obu(TEMPORAL_DELIMITER, Buffer.alloc(0)), sent(FRAME, body)])),
    );
    expect(bytes?.subarray(1)).toEqual(sent(FRAME, body));
  });

  it('puts a length in front of each of more than three units', () => {
    const frame = obu(FRAME, Buffer.from([9]));
    expect(split(payload(Buffer.concat([frame, frame, frame, frame])))).toEqual([
      Buffer.from([0, ...Array.from({ length: 4 }, () => [2, FRAME << 3, 9]).flat()]),
    ]);
    expect(split(payload(Buffer.concat([frame, frame])))).toEqual([
      Buffer.from([0x20, 2, FRAME << 3, 9, FRAME << 3, 9]),
    ]);
  });

  it('gives no payload for a unit that is cut off, empty, or nothing that is sent', () => {
    const frame = obu(FRAME, Buffer.alloc(20, 7), { lengthBytes: 1, extension: true });
    for (let length = 0; length < frame.length; length += 1) {
      expect(split(payload(frame.subarray(0, length))), `${length} bytes`).toEqual([]);
    }
    expect(split(payload(frame))).toHaveLength(1);
    expect(split(payload(obu(TEMPORAL_DELIMITER, Buffer.alloc(0))))).toEqual([]);
    expect(split(payload(Buffer.concat([frame, Buffer.from([0x80 | (FRAME << 3)])])))).toEqual([]);
  });

  it('reads no size of more than eight bytes or 2^32', () => {
    expect(av1ObusOf(Buffer.from([0x32, ...Array<number>(9).fill(0x80), 0]))).toBeUndefined();
    expect(av1ObusOf(Buffer.from([0x32, ...Array<number>(7).fill(0xff), 0x7f, 1, 2]))).toBeUndefined();
    expect(av1ObusOf(Buffer.from([0x32, 0x81, 0x80, 0, 5]))).toEqual([
      { type: FRAME, header: [0x30], start: 4, end: 5 },
    ]);
  });

  it('whatever bytes come, payloads stay within their limit', () => {
    const random = seededRandom(24);
    for (let round = 0; round < 3000; round += 1) {
      const bytes = random.bytes(random.below(200));
      for (let at = 0; at < bytes.length; at += 1 + random.below(9))
        bytes[at] = [0x12, 0x0a, 0x32, 0x30, 0][at % 5] ?? 0;
      for (const one of split(payload(bytes, true, 64))) expect(one.length).toBeLessThanOrEqual(64);
    }
  });

  it('a keyframe is known by its sequence header', () => {
    expect(isAv1Keyframe(Buffer.concat([SVT_KEYFRAME.subarray(0, 18), obu(FRAME, Buffer.from([1]))]))).toBe(
      true,
    );
    expect(isAv1Keyframe(obu(FRAME, Buffer.from([1])))).toBe(false);
    expect(isAv1Keyframe(SVT_KEYFRAME.subarray(0, 9))).toBe(false);
  });
});
