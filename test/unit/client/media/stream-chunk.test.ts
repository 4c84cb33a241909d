import { describe, expect, it } from 'vitest';

import { h264CodecOf, parseStreamChunk } from '../../../../src/client/media/stream-chunk.js';
import { seededRandom } from '../../../helpers/seeded-random.js';

function chunk(sequence: bigint, kind: number, timestampUs: bigint, payload: number[]): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(17 + payload.length));
  view.setBigUint64(0, sequence);
  view.setUint8(8, kind);
  view.setBigUint64(9, timestampUs);
  new Uint8Array(view.buffer).set(payload, 17);
  return view.buffer;
}

describe('parseStreamChunk', () => {
  it('reads number, kind, time and payload', () => {
    expect(parseStreamChunk(chunk(0x01_0000_0002n, 1, 0x02_0000_0003n, [7, 8]))).toEqual({
      sequence: 0x01_0000_0002,
      kind: 1,
      timestampUs: 0x02_0000_0003,
      data: new Uint8Array([7, 8]),
    });
  });

  it.each([
    ['nothing', new ArrayBuffer(0)],
    ['half a header', chunk(1n, 0, 1n, []).slice(0, 16)],
    ['no payload', chunk(1n, 0, 1n, [])],
    ['a kind that is none', chunk(1n, 3, 1n, [1])],
    ['a number beyond what counts exactly', chunk(2n ** 63n, 0, 1n, [1])],
    ['a time beyond what counts exactly', chunk(1n, 0, 2n ** 64n - 1n, [1])],
  ])('takes %s for no chunk', (_, bytes) => {
    expect(parseStreamChunk(bytes)).toBeUndefined();
  });

  it('throws for no bytes whatever', () => {
    const random = seededRandom(17);
    for (let round = 0; round < 5000; round++) {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 40) }, () => random() * 256);
      const read = parseStreamChunk(bytes.buffer);
      if (read === undefined) continue;
      expect(read.data.byteLength).toBe(bytes.byteLength - 17);
      expect(h264CodecOf(read.data)).toMatch(/^avc1\.[0-9a-f]{6}$/);
    }
  });
});

describe('h264CodecOf', () => {
  it('finds profile and level behind other units', () => {
    const picture = [0, 0, 0, 1, 0x09, 0x10, 0, 0, 0, 1, 0x67, 0x64, 0x00, 0x28, 0xac, 0, 0, 1, 0x65, 1];
    expect(h264CodecOf(new Uint8Array(picture))).toBe('avc1.640028');
  });

  it.each([
    ['empty', []],
    ['without parameters', [0, 0, 1, 0x65, 1, 2, 3, 4, 5]],
    ['cut off in the parameters', [0, 0, 1, 0x67, 0x42]],
  ])('takes constrained baseline for a picture that is %s', (_, bytes) => {
    expect(h264CodecOf(new Uint8Array(bytes))).toBe('avc1.42e01f');
  });
});
