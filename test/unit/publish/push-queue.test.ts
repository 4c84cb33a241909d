import { describe, expect, it } from 'vitest';

import { PushQueue } from '../../../src/publish/push-queue.js';
import type { MuxPacket } from '../../../src/recording/mux-packet.js';

const FRAME_US = 40_000;

function picture(index: number, bytes: number): MuxPacket {
  return {
    kind: 'video',
    bytes: new Uint8Array(bytes),
    keyframe: index === 0,
    timeUs: index * FRAME_US,
  };
}

/** What is reported while a queue is drained: a time of capture for each write, and the bytes that are taken. */
function drained(queue: PushQueue, nowUs: number): (string | number)[] {
  const told: (string | number)[] = [];
  queue.drain(
    nowUs,
    ({ timeUs }) => told.push(`writes ${timeUs / FRAME_US}`),
    (takenBytes) => told.push(takenBytes),
  );
  return told;
}

describe('a queue of packets for a server', () => {
  it('counts as taken what is written, one packet after the other, and what waits for the next picture', () => {
    const queue = new PushQueue(false);
    expect(drained(queue, 0)).toEqual([0]);
    queue.push(picture(0, 1000));
    expect(drained(queue, FRAME_US)).toEqual([1000]);
    // The write of the first one blocks while these come.
    queue.push(picture(1, 100));
    queue.push(picture(2, 200));
    queue.push(picture(3, 300));
    expect(drained(queue, 3 * FRAME_US)).toEqual(['writes 0', 1300, 'writes 1', 1400, 'writes 2', 1600]);
    expect(drained(queue, 3 * FRAME_US)).toEqual([1600]);
  });

  it('counts what comes too late as taken', () => {
    const queue = new PushQueue(false);
    queue.push(picture(5, 50));
    queue.push(picture(0, 1000));
    queue.push(picture(2, 200));
    queue.push(picture(1, 100));
    expect(drained(queue, 2 * FRAME_US)).toEqual(['writes 0', 1350]);
  });

  it('reports nothing of a packet whose write fails', () => {
    const queue = new PushQueue(false);
    queue.push(picture(0, 1000));
    queue.push(picture(1, 100));
    const reports: number[] = [];
    const fail = (): never => {
      throw new Error('broken');
    };
    expect(() => queue.drain(FRAME_US, fail, (takenBytes) => reports.push(takenBytes))).toThrow('broken');
    expect(reports).toEqual([]);
  });
});
