import { describe, expect, it } from 'vitest';
import { H264RtpPayload } from 'werift';

import type { EncodedFrame } from '../../../../src/render/encode/encoded-frame.js';
import { StreamKitError } from '../../../../src/base/errors.js';
import { H264Payloader } from '../../../../src/render/packetize/h264-payloader.js';
import {
  DEFAULT_MAX_PAYLOAD_BYTES,
  type RtpPayloads,
} from '../../../../src/render/packetize/rtp-payloads.js';
import { seededRandom } from './seeded-random.js';

const SHORT_START_CODE = Buffer.from([0, 0, 1]);
const LONG_START_CODE = Buffer.from([0, 0, 0, 1]);

function frameOf(bytes: Uint8Array, keyframe = false): EncodedFrame {
  return {
    codec: 'h264',
    bytes,
    keyframe,
    rtpTimestamp: 4711,
    captureTimeUs: 52_344,
    readTimeUs: 52_344,
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

/** A NAL unit whose body cannot be taken for a start code and does not end in zero. */
function nal(header: number, bodyBytes: number, random: ReturnType<typeof seededRandom>): Buffer {
  const body = random.bytes(bodyBytes).map((byte) => byte | 1);
  return Buffer.concat([Buffer.from([header]), body]);
}

function annexB(nals: readonly Buffer[], startCode = LONG_START_CODE): Buffer {
  return Buffer.concat(nals.flatMap((unit) => [startCode, unit]));
}

/** Compares as text: a deep comparison of long buffers is slow. */
const hex = (parts: readonly Buffer[]): string[] => parts.map((part) => part.toString('hex'));

/** Written from RFC 6184 alone: gives back the NAL units in order. */
function depacketize(payloads: readonly Buffer[]): Buffer[] {
  const nals: Buffer[] = [];
  let fragments: Buffer[] = [];
  for (const payload of payloads) {
    const type = payload.readUInt8(0) & 0x1f;
    if (type === 24) {
      let position = 1;
      while (position < payload.length) {
        const size = payload.readUInt16BE(position);
        nals.push(payload.subarray(position + 2, position + 2 + size));
        expect(position + 2 + size).toBeLessThanOrEqual(payload.length);
        position += 2 + size;
      }
    } else if (type === 28) {
      const indicator = payload.readUInt8(0);
      const header = payload.readUInt8(1);
      if ((header & 0x80) !== 0) {
        expect(fragments).toHaveLength(0);
        fragments = [Buffer.from([(indicator & 0xe0) | (header & 0x1f)])];
      }
      expect(fragments.length).toBeGreaterThan(0);
      fragments.push(payload.subarray(2));
      if ((header & 0x40) !== 0) {
        nals.push(Buffer.concat(fragments));
        fragments = [];
      }
    } else {
      nals.push(payload);
    }
  }
  expect(fragments).toHaveLength(0);
  return nals;
}

describe('H264Payloader', () => {
  it('gives back every NAL unit for random sizes, within the payload limit', () => {
    const random = seededRandom(1);
    const payloader = new H264Payloader();
    for (let round = 0; round < 200; round += 1) {
      const nals = Array.from({ length: 1 + random.below(5) }, () =>
        nal(0x60 | (1 + random.below(5)), random.below(random.below(4) === 0 ? 20_000 : 900), random),
      );
      const startCode = random.below(2) === 0 ? SHORT_START_CODE : LONG_START_CODE;
      const payloads = split(payloader.payload(frameOf(annexB(nals, startCode))));
      expect(hex(depacketize(payloads))).toEqual(hex(nals));
      for (const payload of payloads) {
        expect(payload.length).toBeGreaterThan(0);
        expect(payload.length).toBeLessThanOrEqual(DEFAULT_MAX_PAYLOAD_BYTES);
      }
    }
  });

  it('is understood by an independent depacketizer', () => {
    const random = seededRandom(2);
    const nals = [nal(0x67, 20, random), nal(0x68, 4, random), nal(0x65, 5000, random)];
    let fragment: Buffer | undefined;
    const out: Buffer[] = [];
    for (const payload of split(new H264Payloader().payload(frameOf(annexB(nals), true)))) {
      const parsed = H264RtpPayload.deSerialize(payload, fragment);
      fragment = parsed.fragment;
      // Of a fragmented unit, only the last part gives a payload.
      if (parsed.fragment === undefined) {
        out.push(parsed.payload);
      }
    }
    expect(Buffer.concat(out).equals(annexB(nals))).toBe(true);
  });

  it('cuts a large NAL unit into the fewest FU-As, all equal but the last', () => {
    const random = seededRandom(3);
    for (const maxPayloadBytes of [100, 500, 1144]) {
      for (let round = 0; round < 50; round += 1) {
        const unit = nal(0x41, maxPayloadBytes + random.below(20_000), random);
        const payloads = split(new H264Payloader(maxPayloadBytes).payload(frameOf(annexB([unit]))));
        const sizes = payloads.map((payload) => payload.length);
        const pieces = Math.ceil((unit.length - 1) / (maxPayloadBytes - 2));
        expect(new Set(sizes.slice(0, -1)).size).toBe(1);
        expect(sizes.length).toBeLessThanOrEqual(pieces);
        expect(sizes[0]).toBe(Math.ceil((unit.length - 1) / pieces) + 2);
      }
    }
  });

  it('puts parameter sets and SEI into one STAP-A with the highest importance of them', () => {
    const random = seededRandom(4);
    const sps = nal(0x67, 12, random);
    const pps = nal(0x68, 4, random);
    const sei = nal(0x06, 30, random);
    const idr = nal(0x65, 3000, random);
    const payloads = split(new H264Payloader().payload(frameOf(annexB([sps, pps, sei, idr]), true)));
    expect(payloads[0]?.readUInt8(0)).toBe(0x60 | 24);
    expect(hex(depacketize(payloads.slice(0, 1)))).toEqual(hex([sps, pps, sei]));
    expect(hex(depacketize(payloads.slice(1)))).toEqual(hex([idr]));
  });

  it('sends a NAL unit of exactly the limit alone and fragments one byte more', () => {
    const random = seededRandom(5);
    const payloader = new H264Payloader(200);
    expect(split(payloader.payload(frameOf(annexB([nal(0x41, 199, random)]))))).toHaveLength(1);
    expect(split(payloader.payload(frameOf(annexB([nal(0x41, 200, random)]))))).toHaveLength(2);
  });

  it('fills a STAP-A up to the limit and no further', () => {
    const random = seededRandom(6);
    const payloader = new H264Payloader(205);
    const fits = [nal(0x41, 99, random), nal(0x41, 99, random)];
    expect(split(payloader.payload(frameOf(annexB(fits))))[0]?.length).toBe(205);
    const tooLarge = [nal(0x41, 99, random), nal(0x41, 100, random)];
    expect(split(payloader.payload(frameOf(annexB(tooLarge))))).toHaveLength(2);
  });

  it('leaves out access unit delimiters, filler and types that RTP gives another meaning', () => {
    const random = seededRandom(7);
    const slice = nal(0x41, 50, random);
    const others = [0x09, 0x0c, 0x18, 0x1c, 0x00].map((header) => nal(header, 10, random));
    expect(split(new H264Payloader().payload(frameOf(annexB([...others, slice]))))).toEqual([slice]);
  });

  it('strips trailing zeros of NAL units', () => {
    const random = seededRandom(8);
    const slice = nal(0x41, 50, random);
    const bytes = Buffer.concat([
      LONG_START_CODE,
      slice,
      Buffer.alloc(3),
      SHORT_START_CODE,
      slice,
      Buffer.alloc(2),
    ]);
    expect(hex(depacketize(split(new H264Payloader().payload(frameOf(bytes)))))).toEqual(hex([slice, slice]));
  });

  it('carries the times and the keyframe flag of the frame', () => {
    const bytes = annexB([nal(0x65, 10, seededRandom(9))]);
    expect(new H264Payloader().payload(frameOf(bytes, true))).toMatchObject({
      keyframe: true,
      rtpTimestamp: 4711,
      captureTimeUs: 52_344,
    });
  });

  it('does not share memory with the frame', () => {
    const bytes = annexB([nal(0x41, 10, seededRandom(10))]);
    const payloads = new H264Payloader().payload(frameOf(bytes));
    const before = Buffer.from(payloads.bytes);
    bytes.fill(0);
    expect(Buffer.from(payloads.bytes)).toEqual(before);
  });

  it('gives no payload for bytes without a NAL unit and survives garbage', () => {
    const payloader = new H264Payloader(64);
    for (const empty of [Buffer.alloc(0), Buffer.alloc(100), Buffer.from([1, 2, 3]), LONG_START_CODE]) {
      expect(payloader.payload(frameOf(empty)).offsets).toEqual(new Uint32Array([0]));
    }
    const random = seededRandom(11);
    for (let round = 0; round < 300; round += 1) {
      // Mostly zeros and ones, so that start codes are everywhere.
      const garbage = random.bytes(random.below(400)).map((byte) => (byte < 200 ? byte % 2 : byte));
      for (const payload of split(payloader.payload(frameOf(garbage)))) {
        expect(payload.length).toBeLessThanOrEqual(64);
      }
    }
  });

  it('refuses a payload size that cannot work', () => {
    for (const size of [0, -1, 63, 1.5, Number.NaN, 70_000]) {
      expect(() => new H264Payloader(size)).toThrow(StreamKitError);
    }
  });
});
