import { describe, expect, it } from 'vitest';

import type { EncodedFrame } from '../../../../src/render/encode/encoded-frame.js';
import { isH265Keyframe } from '../../../../src/render/packetize/h265-nal-type.js';
import { H265Payloader } from '../../../../src/render/packetize/h265-payloader.js';
import {
  DEFAULT_MAX_PAYLOAD_BYTES,
  type RtpPayloads,
} from '../../../../src/render/packetize/rtp-payloads.js';
import { seededRandom } from './seeded-random.js';

const START_CODE = Buffer.from([0, 0, 0, 1]);
const [VPS, SPS, PPS, AUD, FILLER, SEI, IDR, TRAIL] = [32, 33, 34, 35, 38, 39, 19, 1];

function frameOf(bytes: Uint8Array, keyframe = false): EncodedFrame {
  return {
    ...{ codec: 'h265', bytes, keyframe, rtpTimestamp: 4711, captureTimeUs: 52_344, readTimeUs: 52_344 },
    ...{ encodedTimeUs: 4, repeated: false, rung: 0 as const },
  };
}

function split({ bytes, offsets }: RtpPayloads): Buffer[] {
  return [...offsets.subarray(1)].map((end, index) => Buffer.from(bytes.subarray(offsets[index], end)));
}

/** Of ITU-T H.265 section 7.3.1.2; the body cannot be taken for a start code and does not end in zero. */
function nal(
  type: number | undefined,
  bodyBytes: number,
  random: ReturnType<typeof seededRandom>,
  { layer = 0, temporalId = 1 } = {},
): Buffer {
  const body = random.bytes(bodyBytes).map((byte) => byte | 1);
  const header = Buffer.alloc(2);
  header.writeUInt16BE(((type ?? 0) << 9) | (layer << 3) | temporalId);
  return Buffer.concat([header, body]);
}

function annexB(nals: readonly Buffer[]): Buffer {
  return Buffer.concat(nals.flatMap((unit) => [START_CODE, unit]));
}

const hex = (parts: readonly Buffer[]): string[] => parts.map((part) => part.toString('hex'));

/** Written from RFC 7798 section 4.4 alone: gives back the NAL units in order. */
function depacketize(payloads: readonly Buffer[]): Buffer[] {
  const nals: Buffer[] = [];
  let fragments: Buffer[] = [];
  for (const payload of payloads) {
    const header = payload.readUInt16BE(0);
    const type = (header >> 9) & 0x3f;
    if (type === 48) {
      for (let at = 2; at < payload.length;) {
        const size = payload.readUInt16BE(at);
        nals.push(payload.subarray(at + 2, at + 2 + size));
        expect(at + 2 + size).toBeLessThanOrEqual(payload.length);
        at += 2 + size;
      }
    } else if (type === 49) {
      const fragment = payload.readUInt8(2);
      if ((fragment & 0x80) !== 0) {
        expect(fragments).toHaveLength(0);
        const restored = Buffer.alloc(2);
        restored.writeUInt16BE((header & 0x81ff) | ((fragment & 0x3f) << 9));
        fragments = [restored];
      }
      expect(fragments.length).toBeGreaterThan(0);
      // One unit may not be the start and the end at once.
      expect(fragment & 0xc0).not.toBe(0xc0);
      fragments.push(payload.subarray(3));
      if ((fragment & 0x40) !== 0) {
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

describe('H265Payloader', () => {
  it('gives back every NAL unit for random sizes, within the payload limit', () => {
    const random = seededRandom(1);
    const payloader = new H265Payloader();
    for (let round = 0; round < 200; round += 1) {
      const nals = Array.from({ length: 1 + random.below(5) }, () =>
        nal(random.below(32), random.below(random.below(4) === 0 ? 20_000 : 900), random, {
          layer: random.below(64),
          temporalId: 1 + random.below(7),
        }),
      );
      const payloads = split(payloader.payload(frameOf(annexB(nals))));
      expect(hex(depacketize(payloads))).toEqual(hex(nals));
      for (const { length } of payloads) expect(length).toBeLessThanOrEqual(DEFAULT_MAX_PAYLOAD_BYTES);
    }
  });

  it('cuts a large NAL unit into the fewest fragmentation units, all equal but the last', () => {
    const random = seededRandom(2);
    for (const maxPayloadBytes of [100, 500, 1144]) {
      for (let round = 0; round < 50; round += 1) {
        const unit = nal(TRAIL, maxPayloadBytes - 1 + random.below(20_000), random);
        const payloads = split(new H265Payloader(maxPayloadBytes).payload(frameOf(annexB([unit]))));
        const sizes = payloads.map(({ length }) => length);
        const pieces = Math.ceil((unit.length - 2) / (maxPayloadBytes - 3));
        expect(new Set(sizes.slice(0, -1)).size).toBe(1);
        expect(sizes.length).toBeLessThanOrEqual(pieces);
        expect(sizes[0]).toBe(Math.ceil((unit.length - 2) / pieces) + 3);
      }
    }
  });

  it('puts parameter sets and SEI into one aggregation packet, with the lowest layer and sub-layer of them', () => {
    const random = seededRandom(3);
    const sets = [
      nal(VPS, 20, random, { layer: 3, temporalId: 2 }),
      nal(SPS, 40, random, { layer: 1, temporalId: 3 }),
      nal(PPS, 6, random, { layer: 2, temporalId: 5 }),
      nal(SEI, 30, random, { layer: 9, temporalId: 4 }),
    ];
    const idr = nal(IDR, 3000, random);
    const payloads = split(new H265Payloader().payload(frameOf(annexB([...sets, idr]), true)));
    expect(payloads[0]?.readUInt16BE(0)).toBe((48 << 9) | (1 << 3) | 2);
    expect(hex(depacketize(payloads.slice(0, 1)))).toEqual(hex(sets));
    expect(hex(depacketize(payloads.slice(1)))).toEqual(hex([idr]));
  });

  it('sends a NAL unit of exactly the limit alone and fragments one byte more', () => {
    const random = seededRandom(4);
    const payloader = new H265Payloader(200);
    expect(split(payloader.payload(frameOf(annexB([nal(TRAIL, 198, random)]))))).toHaveLength(1);
    expect(split(payloader.payload(frameOf(annexB([nal(TRAIL, 199, random)]))))).toHaveLength(2);
  });

  it('fills an aggregation packet up to the limit and no further', () => {
    const random = seededRandom(5);
    const payloader = new H265Payloader(206);
    const fits = [nal(TRAIL, 98, random), nal(TRAIL, 98, random)];
    expect(split(payloader.payload(frameOf(annexB(fits)))).map(({ length }) => length)).toEqual([206]);
    const tooLarge = [nal(TRAIL, 98, random), nal(TRAIL, 99, random)];
    expect(split(payloader.payload(frameOf(annexB(tooLarge))))).toHaveLength(2);
  });

  it('leaves out access unit delimiters, filler, types that RTP gives another meaning, and what has no whole header', () => {
    const random = seededRandom(6);
    const slice = nal(TRAIL, 50, random);
    const others = [AUD, FILLER, 48, 49, 50, 63].map((type) => nal(type, 10, random));
    const bytes = annexB([...others, Buffer.from([0x02]), slice]);
    expect(split(new H265Payloader().payload(frameOf(bytes)))).toEqual([slice]);
  });

  it('gives no payload for bytes without a NAL unit and survives garbage', () => {
    const payloader = new H265Payloader(64);
    for (const empty of [Buffer.alloc(0), Buffer.alloc(100), Buffer.from([1, 2, 3]), START_CODE]) {
      expect(payloader.payload(frameOf(empty)).offsets).toEqual(new Uint32Array([0]));
    }
    const random = seededRandom(7);
    for (let round = 0; round < 300; round += 1) {
      // Mostly zeros and ones, so that start codes are everywhere.
      const garbage = random.bytes(random.below(400)).map((byte) => (byte < 200 ? byte % 2 : byte));
      for (const { length } of split(payloader.payload(frameOf(garbage)))) {
        expect(length).toBeLessThanOrEqual(64);
      }
    }
  });
});

it('a keyframe of H.265 is told by a slice that depends on no other picture', () => {
  const random = seededRandom(8);
  const sets = [VPS, SPS, PPS].map((type) => nal(type, 10, random));
  for (const type of [16, 19, 20, 21]) {
    expect(isH265Keyframe(annexB([...sets, nal(type, 20, random)]))).toBe(true);
  }
  for (const type of [0, 1, 9]) expect(isH265Keyframe(annexB([nal(type, 20, random)]))).toBe(false);
  expect(isH265Keyframe(annexB(sets))).toBe(false);
  expect(isH265Keyframe(Buffer.alloc(0))).toBe(false);
});
