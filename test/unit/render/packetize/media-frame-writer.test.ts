import { PassThrough } from 'node:stream';

import { describe, expect, it } from 'vitest';

import {
  type MediaFrame,
  mediaFrameHead,
  MediaFrameWriter,
} from '../../../../src/render/packetize/media-frame-writer.js';

function frame(lengths: readonly number[], fields: Partial<MediaFrame> = {}): MediaFrame {
  const offsets = new Uint32Array(lengths.length + 1);
  lengths.forEach((length, i) => {
    offsets[i + 1] = (offsets[i] ?? 0) + length;
  });
  return {
    slot: 3,
    bytes: new Uint8Array(offsets[lengths.length] ?? 0).fill(7),
    offsets,
    keyframe: true,
    rtpTimestamp: 0xfedc_ba98,
    captureTimeUs: 0x1_2345_6789 + 0.5,
    ...fields,
  };
}

const repeat = (count: number, length: number): number[] => Array.from({ length: count }, () => length);

describe('mediaFrameHead', () => {
  it('lays the header out as the reader takes it', () => {
    const head = mediaFrameHead(frame([2, 1], { discardable: true, temporalId: 5 }));
    expect(head?.toString('hex')).toBe(
      '2b000000' +
        '01030305' +
        '98badcfe' +
        '02000000' +
        '8967452301000000' +
        '0000000000000000' +
        '02000000' +
        '01000000',
    );
  });

  it.each([
    ['no payload', []],
    ['an empty payload', [1, 0]],
    ['a payload that is too long', [1381]],
    ['too many payloads', repeat(8193, 1)],
    ['too many bytes', repeat(3040, 1380)],
  ])('refuses a frame with %s', (_, lengths) => {
    expect(mediaFrameHead(frame(lengths))).toBeUndefined();
  });

  it.each([
    ['payload', [1380]],
    ['number of payloads', repeat(8192, 1)],
  ])('takes the largest %s', (_, lengths) => {
    expect(mediaFrameHead(frame(lengths))).toBeDefined();
  });
});

describe('MediaFrameWriter', () => {
  it('writes frames back to back, from where their payloads begin', () => {
    const socket = new PassThrough();
    const writer = new MediaFrameWriter(socket);
    const sent = frame([2, 1], { bytes: Buffer.from([9, 1, 2, 3, 9]), offsets: Uint32Array.of(1, 3, 4) });
    expect(writer.write(sent)).toBe(true);
    expect(writer.write(sent)).toBe(true);
    const head = mediaFrameHead(sent) ?? Buffer.alloc(0);
    const whole = Buffer.concat([head, Buffer.from([1, 2, 3])]);
    expect(socket.read()).toEqual(Buffer.concat([whole, whole]));
  });

  it('drops up to the next keyframe of the slot when nobody reads, and not what other slots have then', () => {
    const socket = new PassThrough();
    const writer = new MediaFrameWriter(socket);
    const large = frame(repeat(2800, 1380));
    for (let i = 0; i < 3; i += 1) expect(writer.write(large)).toBe(true);
    expect(writer.write(frame([1]))).toBe(false);
    expect(writer.framesDropped).toBe(1);
    while (socket.read() !== null);
    expect(writer.write(frame([1], { keyframe: false }))).toBe(false);
    expect(writer.write(frame([1], { keyframe: false, slot: 4 }))).toBe(true);
    expect(writer.write(frame([1]))).toBe(true);
    expect(writer.write(frame([1], { keyframe: false }))).toBe(true);
    expect(writer.framesDropped).toBe(2);
  });

  it('counts what comes after the socket has ended', () => {
    const socket = new PassThrough();
    socket.destroy();
    const writer = new MediaFrameWriter(socket);
    expect(writer.write(frame([1]))).toBe(false);
    expect(writer.framesDropped).toBe(1);
  });
});
