import { describe, expect, it } from 'vitest';
import { OpusRtpPayload } from 'werift';

import type { EncodedAudio } from '../../../../src/render/encode/encoded-frame.js';
import { OpusPayloader } from '../../../../src/render/packetize/opus-payloader.js';
import { seededRandom } from './seeded-random.js';

function frameOf(bytes: Uint8Array): EncodedAudio {
  return { codec: 'opus', bytes, rtpTimestamp: 960, captureTimeUs: 20_000 };
}

describe('OpusPayloader', () => {
  it('makes one payload of one packet', () => {
    const packet = seededRandom(31).bytes(200);
    const payloads = new OpusPayloader().payload(frameOf(packet));
    expect(payloads).toMatchObject({ keyframe: true, rtpTimestamp: 960, captureTimeUs: 20_000 });
    expect(payloads.offsets).toEqual(new Uint32Array([0, 200]));
    expect(OpusRtpPayload.deSerialize(Buffer.from(payloads.bytes)).payload).toEqual(packet);
  });

  it('drops an empty packet and one that no RTP payload holds', () => {
    const payloader = new OpusPayloader(0, 100);
    expect(payloader.payload(frameOf(Buffer.alloc(100, 1))).offsets).toHaveLength(2);
    for (const bytes of [new Uint8Array(), Buffer.alloc(101, 1)]) {
      expect(payloader.payload(frameOf(bytes)).offsets).toEqual(new Uint32Array([0]));
    }
  });

  it('stamps sound later by what is tolerated, modulo 2^32', () => {
    const frame = { ...frameOf(Buffer.from([1])), rtpTimestamp: 0xffffffff, captureTimeUs: 1_000_000 };
    const payloads = new OpusPayloader(80).payload(frame);
    expect(payloads.rtpTimestamp).toBe(80 * 48 - 1);
    expect(payloads.captureTimeUs).toBe(1_080_000);
  });
});
