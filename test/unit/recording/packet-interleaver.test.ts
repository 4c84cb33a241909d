import { describe, expect, it } from 'vitest';

import type { MuxPacket } from '../../../src/recording/mux-packet.js';
import { HOLD_US, PacketInterleaver } from '../../../src/recording/packet-interleaver.js';

const NONE = new Uint8Array(1);
const video = (timeUs: number, keyframe = false): MuxPacket => ({
  kind: 'video',
  bytes: NONE,
  keyframe,
  timeUs,
});
const audio = (timeUs: number): MuxPacket => ({ kind: 'audio', bytes: NONE, keyframe: true, timeUs });

function taken(interleaver: PacketInterleaver, nowUs: number, all = false): [string, number, number][] {
  const packets = all ? interleaver.takeAll(nowUs) : interleaver.take(nowUs);
  return packets.map(({ kind, timeUs, durationUs }) => [kind, timeUs, durationUs]);
}

function interleaverOf(packets: readonly MuxPacket[], hasAudio = true): PacketInterleaver {
  const interleaver = new PacketInterleaver(hasAudio);
  for (const packet of packets) interleaver.push(packet);
  return interleaver;
}

describe('packets', () => {
  it('come out in the order of their times, pictures with the time to the next', () => {
    const interleaver = interleaverOf([
      video(1000, true),
      video(34_000),
      audio(5000),
      audio(25_000),
      audio(45_000),
    ]);
    interleaver.push(video(67_000));
    expect(taken(interleaver, 70_000)).toEqual([
      ['video', 1000, 33_000],
      ['audio', 5000, 20_000],
      ['audio', 25_000, 20_000],
      ['video', 34_000, 33_000],
      ['audio', 45_000, 20_000],
    ]);
  });

  it('begin with a keyframe and the sound from there on', () => {
    const interleaver = interleaverOf([
      audio(0),
      video(10_000),
      audio(20_000),
      video(30_000, true),
      audio(40_000),
    ]);
    expect(taken(interleaver, 50_000, true)).toEqual([
      ['video', 30_000, 20_000],
      ['audio', 40_000, 20_000],
    ]);
    expect(interleaver.dropped).toBe(0);
  });

  it('wait for the other track, but not for ever', () => {
    const interleaver = interleaverOf([video(0, true), video(33_000)]);
    expect(taken(interleaver, HOLD_US - 1)).toEqual([]);
    expect(taken(interleaver, HOLD_US)).toEqual([['video', 0, 33_000]]);
    expect(taken(interleaver, HOLD_US + 33_000)).toEqual([
      ['audio', 0, 20_000],
      ['video', 33_000, HOLD_US / 2],
    ]);
  });

  it('of silence stand where there is no sound: before it, between, and in the order of the pictures', () => {
    const interleaver = interleaverOf([
      video(0, true),
      audio(45_000),
      video(50_000),
      audio(125_000),
      video(130_000),
      video(160_000),
    ]);
    const packets = interleaver.take(170_000);
    expect(packets.map(({ kind, timeUs }) => [kind, timeUs])).toEqual([
      ['video', 0],
      ['audio', 0],
      ['audio', 20_000],
      ['audio', 45_000],
      ['video', 50_000],
      ['audio', 65_000],
      ['audio', 85_000],
      ['audio', 105_000],
      ['audio', 125_000],
    ]);
    const silent = packets.filter(({ kind, bytes }) => kind === 'audio' && bytes !== NONE);
    expect(silent.map(({ bytes }) => [...bytes])).toEqual(Array(5).fill([0xfc, 0xff, 0xfe]));
  });

  it('of sound that was waited for in vain do not lie upon the silence in its place', () => {
    const interleaver = interleaverOf([video(0, true), video(33_000), video(66_000)]);
    expect(taken(interleaver, HOLD_US + 33_000).at(-1)).toEqual(['video', 33_000, 33_000]);
    interleaver.push(audio(34_000));
    interleaver.push(audio(54_000));
    expect(taken(interleaver, HOLD_US + 66_000)).toEqual([
      ['audio', 34_000, 20_000],
      ['audio', 54_000, 20_000],
      ['video', 66_000, HOLD_US / 2],
    ]);
  });

  it('wait for no sound where there is none', () => {
    expect(taken(interleaverOf([video(0, true), video(33_000)], false), 40_000)).toEqual([
      ['video', 0, 33_000],
    ]);
  });

  it('that come too late, or step back, are dropped and counted', () => {
    const interleaver = interleaverOf([
      video(0, true),
      audio(0),
      video(33_000),
      audio(20_000),
      video(66_000),
    ]);
    interleaver.take(2 * HOLD_US);
    for (const late of [video(50_000), audio(10_000), audio(25_000)]) interleaver.push(late);
    expect(interleaver.dropped).toBe(3);
  });

  it('never overlap a picture that had to be given a length before the next was known', () => {
    const interleaver = interleaverOf([video(0, true)], false);
    expect(taken(interleaver, HOLD_US)).toEqual([['video', 0, HOLD_US / 2]]);
    interleaver.push(video(100_000));
    interleaver.push(video(600_000));
    expect(taken(interleaver, 600_000)).toEqual([['video', HOLD_US / 2, 600_000 - HOLD_US / 2]]);
  });
});
