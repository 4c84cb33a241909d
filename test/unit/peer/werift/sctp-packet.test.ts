import { describe, expect, it } from 'vitest';

import { isSoundSctpPacket } from '../../../../src/peer/werift/sctp-packet.js';
import { seededRandom } from '../../../helpers/seeded-random.js';

/** A packet of one chunk (RFC 9260 section 3): the length is the one that it says. */
function packet(type: number, body: Buffer, length = body.length + 4): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt8(type, 12);
  header.writeUInt16BE(length, 14);
  return Buffer.concat([header, body, Buffer.alloc((4 - (body.length % 4)) % 4)]);
}

function sack(gaps: [number, number][], says = gaps.length): Buffer {
  const body = Buffer.alloc(12 + 4 * gaps.length);
  body.writeUInt16BE(says, 8);
  gaps.forEach(([start, end], index) => {
    body.writeUInt16BE(start, 12 + 4 * index);
    body.writeUInt16BE(end, 14 + 4 * index);
  });
  return packet(3, body);
}

const text = Buffer.concat([Buffer.alloc(12), Buffer.from('text of a message')]);

describe('a packet of a viewer', () => {
  it.each([
    ['data', packet(0, text)],
    ['a SACK', sack([[2, 3]])],
    ['a heartbeat', packet(4, Buffer.from([0, 1, 0, 8, 1, 2, 3, 4]))],
    [
      'an INIT with a parameter of five bytes',
      packet(1, Buffer.concat([Buffer.alloc(16), Buffer.from([0, 5, 0, 5, 9, 0, 0, 0])])),
    ],
    ['a COOKIE ACK', packet(11, Buffer.alloc(0))],
    ['two chunks', Buffer.concat([packet(0, text), packet(11, Buffer.alloc(0)).subarray(12)])],
  ])('is handed on: %s', (_name, bytes) => {
    expect(isSoundSctpPacket(bytes)).toBe(true);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a header alone', Buffer.alloc(12)],
    // werift's parser would go round for ever.
    ['a chunk of no length', packet(0, text, 0)],
    ['a chunk shorter than its own header', packet(11, Buffer.alloc(0), 3)],
    ['a chunk longer than the packet', packet(0, text, 200)],
    ['data without its header', packet(0, Buffer.alloc(4))],
    ['a parameter of no length', packet(4, Buffer.from([0, 1, 0, 0]))],
    ['a parameter longer than its chunk', packet(130, Buffer.from([0, 13, 0, 99, 0, 0, 0, 0]))],
    ['a type that no viewer has reason to send', packet(192, Buffer.alloc(4))],
    ['a SACK with fewer gaps than it says', sack([[1, 2]], 9)],
    ['a SACK with a gap that ends before it begins', sack([[9, 2]])],
    ['a SACK that says millions of packets', sack(Array.from({ length: 100 }, () => [0, 65_535]))],
    ['one that is larger than any', packet(0, Buffer.alloc(3000))],
  ])('is dropped: %s', (_name, bytes) => {
    expect(isSoundSctpPacket(bytes)).toBe(false);
  });

  it('is looked at to its end, whatever is in it', () => {
    const random = seededRandom(8);
    const good = [packet(0, text), sack([[2, 3]]), packet(4, Buffer.from([0, 1, 0, 8, 1, 2, 3, 4]))];
    for (let round = 0; round < 20_000; round += 1) {
      const bytes = Buffer.from(good[round % good.length] ?? text);
      for (let flips = 0; flips < 3; flips += 1)
        bytes[12 + Math.floor(random() * (bytes.length - 12))] = random() * 256;
      expect(typeof isSoundSctpPacket(bytes.subarray(0, Math.floor(random() * bytes.length) + 1))).toBe(
        'boolean',
      );
    }
  });
});
