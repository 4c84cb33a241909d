import { beforeEach, describe, expect, it, vi } from 'vitest';

import { PictureClock } from '../../../../src/client/connection/picture-clock.js';

/** As much of a video element as tells what it shows. */
class FakeVideo extends EventTarget {
  #callback: VideoFrameRequestCallback | undefined;

  requestVideoFrameCallback(callback: VideoFrameRequestCallback): number {
    this.#callback = callback;
    return 1;
  }

  cancelVideoFrameCallback(): void {
    this.#callback = undefined;
  }

  show(rtpTimestamp: number): void {
    this.#callback?.(0, { rtpTimestamp } as VideoFrameCallbackMetadata);
  }
}

const LAST = 2 ** 32 - 1;

describe('what belongs to a picture', () => {
  const video = new FakeVideo();
  let clock: PictureClock<string>;
  let due: string[];

  beforeEach(() => {
    vi.useFakeTimers();
    due = [];
    clock = new PictureClock((item) => due.push(item));
    clock.follow(video as unknown as HTMLVideoElement);
    return () => vi.useRealTimers();
  });

  it('is due with the first picture of its time or later, in order', () => {
    video.show(1000);
    clock.hold('a', 2000);
    clock.hold('b', 2001);
    clock.hold('c', 4000);
    video.show(1999);
    expect(due).toEqual([]);
    video.show(3000);
    expect(due).toEqual(['a', 'b']);
    video.show(4000);
    expect(due).toEqual(['a', 'b', 'c']);
  });

  it('is due at once when its picture is shown already', () => {
    video.show(1000);
    clock.hold('a', 1000);
    expect(due).toEqual(['a']);
  });

  it('may be of a time past the end of the counter', () => {
    video.show(LAST - 10);
    clock.hold('a', 5);
    video.show(LAST);
    expect(due).toEqual([]);
    video.show(6);
    expect(due).toEqual(['a']);
  });

  it('waits half a second, no longer, and takes along what came before', () => {
    video.show(1000);
    clock.hold('a', 9000);
    vi.advanceTimersByTime(300);
    clock.hold('b', 2000);
    vi.advanceTimersByTime(199);
    expect(due).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(due).toEqual(['a']);
    vi.advanceTimersByTime(300);
    expect(due).toEqual(['a', 'b']);
  });

  it('is a thousand at most', () => {
    video.show(1000);
    for (let index = 0; index <= 1000; index++) clock.hold(String(index), 2000);
    expect(due).toEqual(['0']);
  });

  it('is due at once before the first picture', () => {
    clock.hold('a', 2000);
    expect(due).toEqual(['a']);
  });

  it('is due at once without a time, after all that waits', () => {
    video.show(1000);
    clock.hold('a', 2000);
    clock.hold('b', undefined);
    expect(due).toEqual(['a', 'b']);
  });

  it('is due at once when the clock is closed', () => {
    video.show(1000);
    clock.hold('a', 2000);
    clock.close();
    expect(due).toEqual(['a']);
  });
});
