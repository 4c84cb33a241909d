import { describe, expect, it } from 'vitest';

import { RtpRetransmissionBuffer } from '../../../src/fanout/rtp-retransmission-buffer.js';
import type { RtpPayloads } from '../../../src/render/packetize/rtp-payloads.js';

function frameOf(packets: number, bytesEach = 10): RtpPayloads {
  return {
    bytes: new Uint8Array(packets * bytesEach),
    offsets: Uint32Array.from({ length: packets + 1 }, (_, i) => i * bytesEach),
    keyframe: false,
    rtpTimestamp: 0,
    captureTimeUs: 0,
  };
}

describe('RtpRetransmissionBuffer', () => {
  it('finds each packet of each frame', () => {
    const buffer = new RtpRetransmissionBuffer(1000);
    const frames = [frameOf(3), frameOf(1), frameOf(2)];
    expect(frames.map((frame) => buffer.push(frame, 0))).toEqual([0, 3, 4]);
    expect(buffer.get(2, 0)).toEqual({ payloads: frames[0], index: 2 });
    expect(buffer.get(3, 0)?.payloads).toBe(frames[1]);
    expect(buffer.get(5, 0)).toEqual({ payloads: frames[2], index: 1 });
    expect(buffer.get(6, 0)).toBeUndefined();
    expect(buffer.get(-1, 0)).toBeUndefined();
  });

  it('forgets what is older than its time', () => {
    const buffer = new RtpRetransmissionBuffer(1000);
    buffer.push(frameOf(1), 0);
    buffer.push(frameOf(1), 600_000);
    expect(buffer.get(0, 1_000_000)).toBeDefined();
    expect(buffer.get(0, 1_000_001)).toBeUndefined();
    expect(buffer.get(1, 1_000_001)).toBeDefined();
    expect(buffer.oldestPacket).toBe(1);
  });

  it('never holds more bytes than it may', () => {
    const buffer = new RtpRetransmissionBuffer(60_000, 100);
    for (let i = 0; i < 1000; i += 1) {
      buffer.push(frameOf(3), i);
      expect(buffer.storedBytes).toBeLessThanOrEqual(100);
    }
    expect(buffer.storedBytes).toBe(90);
    expect(buffer.oldestPacket).toBe(2991);
    buffer.push(frameOf(1, 101), 1000);
    expect(buffer.storedBytes).toBe(0);
  });
});
