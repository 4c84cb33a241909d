import { describe, expect, it } from 'vitest';
import { RtcpPacketConverter, type RtcpSourceDescriptionPacket, RtcpSrPacket } from 'werift';

import { buildBye, buildSenderReport } from '../../../src/fanout/rtcp-builder.js';
import { parseRtcp } from '../../../src/fanout/rtcp-parser.js';
import { seededRandom } from '../render/packetize/seeded-random.js';

const bytes = (...parts: (number | readonly number[])[]): Buffer => Buffer.from(parts.flat());
const NACK = bytes(0x81, 205, [0, 3], [0, 0, 0, 1], [0, 0, 0, 2], [0xff, 0xff], [0x80, 0x01]);
const PLI = bytes(0x81, 206, [0, 2], [0, 0, 0, 1], [0, 0, 0, 2]);
const FIR = bytes(0x84, 206, [0, 4], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 9], [7, 0, 0, 0]);
const TRANSPORT_CC = bytes(0x8f, 205, [0, 4], new Array<number>(16).fill(3));
const REMB = bytes(0x8f, 206, [0, 4], new Array<number>(16).fill(4));
const SDES = bytes(0x81, 202, [0, 2], [0, 0, 0, 1], [1, 1, 65, 0]);
const BYE = bytes(0x81, 203, [0, 1], [0, 0, 0, 1]);

describe('parseRtcp', () => {
  it('reads every packet of a compound and skips what does not concern a sender', () => {
    expect(parseRtcp(Buffer.concat([SDES, NACK, TRANSPORT_CC, PLI, REMB, FIR, BYE]))).toEqual([
      { type: 'nack', ssrc: 2, sequenceNumbers: [0xffff, 0, 15] },
      { type: 'pli', ssrc: 2 },
      { type: 'fir', ssrc: 9, commandSequence: 7 },
      { type: 'bye', ssrcs: [1] },
    ]);
  });

  it('reads the blocks of a receiver report, with a negative loss', () => {
    const block = bytes(
      [0, 0, 0, 2],
      128,
      [0xff, 0xff, 0xfe],
      [0, 0, 0, 5],
      [0, 0, 0, 9],
      [1, 2, 3, 4],
      [0, 1, 0, 0],
    );
    expect(parseRtcp(Buffer.concat([bytes(0x81, 201, [0, 7], [0, 0, 0, 1]), block]))).toEqual([
      {
        type: 'report',
        block: {
          ssrc: 2,
          fractionLost: 0.5,
          packetsLost: -2,
          highestSequence: 5,
          jitter: 9,
          lastSenderReport: 0x01020304,
          delaySinceLastSenderReport: 65_536,
        },
      },
    ]);
  });

  it('takes padding off the last packet', () => {
    const padded = Buffer.concat([NACK, bytes([0, 0, 0, 4])]);
    padded.writeUInt8(0xa1, 0);
    padded.writeUInt16BE(4, 2);
    expect(parseRtcp(padded)).toEqual(parseRtcp(NACK));
  });

  it('refuses lengths that do not fit', () => {
    const broken = [
      Buffer.alloc(0),
      NACK.subarray(0, 3),
      NACK.subarray(0, 12),
      Buffer.concat([PLI, NACK.subarray(0, 8)]),
      bytes(0x81, 205, [0, 2], [0, 0, 0, 1], [0, 0, 0, 2]),
      bytes(0x82, 201, [0, 1], [0, 0, 0, 1]),
      bytes(0x85, 203, [0, 1], [0, 0, 0, 1]),
      bytes(0x41, 206, [0, 2], [0, 0, 0, 1], [0, 0, 0, 2]),
      bytes(0xa1, 206, [0, 2], [0, 0, 0, 1], [0, 0, 0, 200]),
      bytes(0xa1, 206, [0, 2], [0, 0, 0, 1], [0, 0, 0, 0]),
    ];
    for (const compound of broken) {
      expect(parseRtcp(compound)).toBeUndefined();
    }
  });

  it('never throws on garbage', () => {
    const random = seededRandom(41);
    for (let round = 0; round < 5000; round += 1) {
      const garbage = random.bytes(random.below(80));
      // A plausible first header brings it past the first checks.
      if (garbage.length >= 4 && round % 2 === 0) {
        garbage.set([0x80 | random.below(64), 200 + random.below(8), 0, random.below(12)]);
      }
      expect(() => parseRtcp(garbage)).not.toThrow();
    }
  });
});

describe('RTCP builders', () => {
  it('build a sender report with CNAME that an independent parser reads', () => {
    for (const cname of ['a', 'ab', 'abc', 'abcd', 'x'.repeat(300)]) {
      const compound = buildSenderReport(
        {
          ssrc: 0xfedcba98,
          ntp: { seconds: 0xe0000001, fraction: 0x80000000 },
          rtpTimestamp: 0xffffffff,
          packetsSent: 2 ** 32 + 5,
          payloadBytesSent: 77,
        },
        cname,
      );
      expect(compound.length % 4).toBe(0);
      const [report, description] = RtcpPacketConverter.deSerialize(compound);
      expect(report).toBeInstanceOf(RtcpSrPacket);
      expect((report as RtcpSrPacket).ssrc).toBe(0xfedcba98);
      expect((report as RtcpSrPacket).senderInfo).toMatchObject({
        ntpTimestamp: 0xe000000180000000n,
        rtpTimestamp: 0xffffffff,
        packetCount: 5,
        octetCount: 77,
      });
      const [chunk] = (description as RtcpSourceDescriptionPacket).chunks;
      expect(chunk?.source).toBe(0xfedcba98);
      expect(chunk?.items[0]).toMatchObject({ type: 1, text: cname.slice(0, 255) });
    }
  });

  it('build a BYE that our own parser reads', () => {
    expect(parseRtcp(buildBye([5, 6], 'name'))).toEqual([{ type: 'bye', ssrcs: [5, 6] }]);
  });
});
