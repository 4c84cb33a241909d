import { describe, expect, it } from 'vitest';

import type { MuxPacket } from '../../../src/recording/mux-packet.js';
import { PacketFeed } from '../../../src/recording/packet-feed.js';
import { FakePacketSource } from '../../helpers/recording-fakes.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

function feedOf(keyframeIntervalMs = 5000): {
  clock: VirtualClock;
  source: FakePacketSource;
  feed: PacketFeed;
  packets: MuxPacket[];
} {
  const clock = new VirtualClock();
  const source = new FakePacketSource();
  const packets: MuxPacket[] = [];
  const feed = new PacketFeed({ clock, keyframeIntervalMs }, source.open, {
    onPacket: (packet) => void packets.push(packet),
    onSourceEnded: () => Promise.resolve(),
  });
  return { clock, source, feed, packets };
}

describe('a feed', () => {
  it('begins with a keyframe', () => {
    const { source, packets } = feedOf();
    source.picture(1, false);
    source.picture(2, true);
    source.picture(3, false);
    expect(packets.map(({ timeUs, keyframe }) => [timeUs, keyframe])).toEqual([
      [2, true],
      [3, false],
    ]);
  });

  it('takes the delay of the codec off the times of the sound', () => {
    const { source, packets } = feedOf();
    const bytes = new Uint8Array([1, 2]);
    source.sink?.onEncodedAudio({ codec: 'opus', bytes, rtpTimestamp: 0, captureTimeUs: 1_000_000 });
    expect(packets[0]).toMatchObject({ kind: 'audio', timeUs: 993_500 });
    // The viewers' own bytes are not handed over.
    expect(packets[0]?.bytes).not.toBe(bytes);
  });

  it('asks for keyframes at its interval, and again when none comes', async () => {
    const { clock, source } = feedOf(2000);
    source.picture(1, true);
    for (let at = 0; at < 21; at++) {
      await clock.advance(100);
      source.picture(2 + at, false);
    }
    expect(source.asked).toEqual(['keyframe']);
    await clock.advance(200);
    source.picture(100, false);
    await clock.advance(200);
    source.picture(101, false);
    await clock.advance(200);
    expect(source.asked).toEqual(['keyframe', 'keyframe']);
    source.picture(200, true);
    await clock.advance(200);
    expect(source.asked).toHaveLength(2);
  });

  it('has a still picture taken again', async () => {
    const { clock, source } = feedOf();
    source.picture(1, true);
    await clock.advance(200);
    expect(source.asked).toEqual([]);
    await clock.advance(1000);
    expect(source.asked).toEqual(Array(4).fill('refresh'));
  });

  it('drops up to a keyframe when the muxer is behind, and asks for that', async () => {
    const { clock, source, feed, packets } = feedOf();
    const big = 20 * 1024 * 1024;
    source.picture(1, true, big);
    source.picture(2, false, big);
    source.picture(3, false);
    source.picture(4, true);
    expect(packets).toHaveLength(2);
    expect(feed.framesDropped).toBe(2);
    feed.noteTaken(2 * big);
    source.picture(5, false);
    expect(packets).toHaveLength(2);
    await clock.advance(600);
    expect(source.asked).toContain('keyframe');
    source.picture(6, true);
    expect(packets).toHaveLength(3);
  });

  it('leaves nothing behind', async () => {
    const { clock, source, feed, packets } = feedOf();
    await source.sink?.onSourceEnded();
    feed.close();
    source.picture(1, true);
    expect([clock.pendingTimers, source.closed, packets.length]).toEqual([0, 1, 0]);
  });
});
