import { describe, expect, it } from 'vitest';

import { AviSplitter } from '../../../../src/render/encode/avi-splitter.js';
import { FlvSplitter } from '../../../../src/render/encode/flv-splitter.js';
import { IvfSplitter } from '../../../../src/render/encode/ivf-splitter.js';
import type { PictureSplitter, SplitPicture } from '../../../../src/render/encode/split-picture.js';

const SPS = Buffer.from([0x67, 0x42, 0xe0, 0x1f]);
const PPS = Buffer.from([0x68, 0xce]);
const START = Buffer.from([0, 0, 0, 1]);

function tag(type: number, timestampMs: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(11 + body.length + 4);
  bytes.writeUInt8(type, 0);
  bytes.writeUIntBE(body.length, 1, 3);
  bytes.writeUIntBE(timestampMs & 0xffffff, 4, 3);
  bytes.writeUInt8(timestampMs >>> 24, 7);
  body.copy(bytes, 11);
  bytes.writeUInt32BE(11 + body.length, 11 + body.length);
  return bytes;
}

const unit = (nal: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(nal.length);
  return Buffer.concat([length, nal]);
};
const video = (timestampMs: number, key: boolean, type: number, payload: Buffer): Buffer =>
  tag(9, timestampMs, Buffer.concat([Buffer.from([key ? 0x17 : 0x27, type, 0, 0, 0]), payload]));
const parameterSets = Buffer.concat([
  Buffer.from([1, 0x42, 0xe0, 0x1f, 0xff, 0xe1, 0, SPS.length]),
  SPS,
  Buffer.from([1, 0, PPS.length]),
  PPS,
]);
const idr = Buffer.from([0x65, 1, 2, 3]);
const slices = [Buffer.from([0x41, 9]), Buffer.from([0x41, 8, 7])];
const FLV_HEADER = Buffer.from([0x46, 0x4c, 0x56, 1, 1, 0, 0, 0, 9, 0, 0, 0, 0]);
const FLV = Buffer.concat([
  FLV_HEADER,
  tag(18, 0, Buffer.from('onMetaData')),
  video(0, true, 0, parameterSets),
  video(0, true, 1, unit(idr)),
  video(33, false, 1, Buffer.concat(slices.map(unit))),
  // Beyond 24 bits of milliseconds: a bit over four and a half hours.
  video(0x1000000, false, 1, unit(slices[0] ?? idr)),
]);

const IVF = Buffer.concat([
  Buffer.concat([Buffer.from('DKIF'), Buffer.alloc(28)]),
  ...[
    [0, 0x10],
    [2, 0x11],
  ].map(([index = 0, first = 0]) => {
    const header = Buffer.alloc(12);
    header.writeUInt32LE(3, 0);
    header.writeBigUInt64LE(BigInt(index), 4);
    return Buffer.concat([header, Buffer.from([first, 5, 6])]);
  }),
]);

function chunk(name: string, body: Buffer): Buffer {
  const bytes = Buffer.alloc(8 + body.length + (body.length % 2));
  bytes.write(name, 'latin1');
  bytes.writeUInt32LE(body.length, 4);
  body.copy(bytes, 8);
  return bytes;
}

/** Parameter sets and an IDR picture, and a picture that depends on others (ITU-T H.265 table 7-1). */
const H265_PICTURES = [
  Buffer.concat([START, Buffer.from([0x40, 1, 0xc]), START, Buffer.from([0x26, 1, 0xaf])]),
  Buffer.concat([START, Buffer.from([0x02, 1, 0xd0])]),
] as const;
const AVI_HEADER = Buffer.concat([Buffer.from('RIFF'), Buffer.alloc(4), Buffer.from('AVI ')]);
const AVI = Buffer.concat([
  AVI_HEADER,
  chunk('LIST', Buffer.from('hdrl00dc')),
  chunk('JUNK', Buffer.alloc(5)),
  // Of a list whose length is not known yet.
  Buffer.concat([Buffer.from('LIST'), Buffer.alloc(4), Buffer.from('movi')]),
  chunk('00dc', H265_PICTURES[0]),
  chunk('00dc', Buffer.alloc(0)),
  chunk('ix00', Buffer.from([1, 2, 3, 4])),
  chunk('00dc', H265_PICTURES[1]),
]);

function split(splitter: PictureSplitter, bytes: Buffer, chunkBytes: number): SplitPicture[] {
  const pictures: SplitPicture[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    pictures.push(...splitter.push(bytes.subarray(at, at + chunkBytes)));
  }
  return pictures;
}

describe.each([1, 7, 20, 10_000])('in chunks of %i bytes', (chunkBytes) => {
  it('FLV gives access units as Annex B, keyframes with their parameter sets', () => {
    const pictures = split(new FlvSplitter(30), FLV, chunkBytes);
    expect(pictures.map(({ index, keyframe }) => [index, keyframe])).toEqual([
      [0, true],
      [1, false],
      [503_316, false],
    ]);
    expect(Buffer.from(pictures[0]?.bytes ?? [])).toEqual(
      Buffer.concat([START, SPS, START, PPS, START, idr]),
    );
    expect(Buffer.from(pictures[1]?.bytes ?? [])).toEqual(
      Buffer.concat(slices.flatMap((slice) => [START, slice])),
    );
  });

  it('AVI gives access units with their numbers, past pictures that were left out', () => {
    const pictures = split(new AviSplitter(), AVI, chunkBytes);
    expect(pictures.map(({ index, keyframe }) => [index, keyframe])).toEqual([
      [0, true],
      [2, false],
    ]);
    expect(pictures.map(({ bytes }) => Buffer.from(bytes))).toEqual([...H265_PICTURES]);
  });

  it('IVF gives frames with their numbers', () => {
    const pictures = split(new IvfSplitter('vp8'), IVF, chunkBytes);
    expect(pictures.map(({ index, keyframe }) => [index, keyframe])).toEqual([
      [0, true],
      [2, false],
    ]);
    expect(pictures.map(({ bytes }) => [...bytes])).toEqual([
      [0x10, 5, 6],
      [0x11, 5, 6],
    ]);
  });
});

it('IVF tells the keyframes of VP9 by their own header', () => {
  const bytes = Buffer.from(IVF);
  bytes[32 + 12] = 0x82;
  bytes[32 + 12 + 3 + 12] = 0x86;
  expect(new IvfSplitter('vp9').push(bytes).map(({ keyframe }) => keyframe)).toEqual([true, false]);
});

describe('what is not of the container is refused', () => {
  it.each([
    ['no FLV', Buffer.alloc(40)],
    [
      'a NAL unit longer than its tag',
      Buffer.concat([FLV_HEADER, video(0, true, 1, Buffer.from([0, 0, 0, 9, 1]))]),
    ],
    ['an empty NAL unit', Buffer.concat([FLV_HEADER, video(0, true, 1, Buffer.alloc(4))])],
    [
      'a parameter set that is cut off',
      Buffer.concat([FLV_HEADER, video(0, true, 0, parameterSets.subarray(0, 9))]),
    ],
    ['another codec', Buffer.concat([FLV_HEADER, tag(9, 0, Buffer.from([0x12, 0, 0, 0, 0]))])],
  ])('%s', (_name, bytes) => {
    expect(() => new FlvSplitter(30).push(bytes)).toThrow();
  });

  it('no AVI, and a chunk that is too large', () => {
    expect(() => new AviSplitter().push(Buffer.alloc(40))).toThrow('Expected a RIFF file of type AVI');
    const large = Buffer.from(AVI);
    large.writeUInt32LE(2 ** 30, AVI_HEADER.length + 4);
    expect(() => new AviSplitter().push(large)).toThrow('received one of 1073741824');
  });

  it('no IVF, and a frame that is too large', () => {
    expect(() => new IvfSplitter('vp8').push(Buffer.alloc(40))).toThrow();
    const large = Buffer.from(IVF);
    large.writeUInt32LE(2 ** 30, 32);
    expect(() => new IvfSplitter('vp8').push(large)).toThrow();
  });
});
