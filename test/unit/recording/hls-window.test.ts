import { describe, expect, it } from 'vitest';

import { HlsWindow } from '../../../src/recording/hls-window.js';

const startTimeMs = Date.UTC(2030, 0, 1);
const bytes = (value: number, length = 1): Uint8Array => new Uint8Array(length).fill(value);

function add(window: HlsWindow, count: number, durationMs = 2000): void {
  for (let index = 0; index < count; index++) window.add({ bytes: bytes(index), durationMs, startTimeMs });
}

describe('a live playlist', () => {
  it('lists the newest segments', () => {
    const window = new HlsWindow(2000, 3);
    window.beginInit(bytes(9));
    add(window, 5, 2033.4);
    expect(window.playlist()).toBe(`#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-TARGETDURATION:3
#EXT-X-MEDIA-SEQUENCE:2
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-MAP:URI="init-0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2030-01-01T00:00:00.000Z
#EXTINF:2.033,
segment-2.m4s
#EXTINF:2.033,
segment-3.m4s
#EXTINF:2.033,
segment-4.m4s
`);
  });

  it('keeps a segment for a while after it has left, and no longer', () => {
    const window = new HlsWindow(2000, 3);
    window.beginInit(bytes(9));
    add(window, 7);
    expect(window.file('segment-0.m4s')).toBeUndefined();
    expect(window.file('segment-1.m4s')).toEqual(bytes(1));
    expect(window.file('init-0.mp4')).toEqual(bytes(9));
  });

  it('marks where the picture changes its size, and counts it when it has left', () => {
    const window = new HlsWindow(2000, 3);
    window.beginInit(bytes(8));
    add(window, 2);
    window.beginInit(bytes(9));
    add(window, 1);
    expect(window.playlist()).toMatch(/segment-1\.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI="init-2\.mp4"/);
    add(window, 2);
    expect(window.playlist()).toContain('#EXT-X-DISCONTINUITY-SEQUENCE:1\n');
    expect(window.playlist()).not.toContain('#EXT-X-DISCONTINUITY\n');
    expect(window.file('init-2.mp4')).toEqual(bytes(9));
    add(window, 4);
    expect(window.file('init-0.mp4')).toBeUndefined();
  });

  it('has no segment that is longer than it says', () => {
    const window = new HlsWindow(2000, 3);
    window.beginInit(bytes(9));
    add(window, 1, 4100);
    expect(window.playlist()).toContain('#EXT-X-TARGETDURATION:5\n');
  });

  it('goes on with the numbers of an earlier one', () => {
    const window = new HlsWindow(2000, 3, 17);
    window.beginInit(bytes(9));
    add(window, 1);
    expect(window.playlist()).toMatch(/MEDIA-SEQUENCE:17\n[^]*init-17\.mp4[^]*segment-17\.m4s/);
    expect(window.nextSequence).toBe(18);
  });

  it('is bounded in bytes', () => {
    const window = new HlsWindow(2000, 3);
    window.beginInit(bytes(9));
    const large = bytes(0, 50 * 1024 * 1024);
    for (let index = 0; index < 4; index++) window.add({ bytes: large, durationMs: 2000, startTimeMs });
    expect(window.file('segment-1.m4s')).toBeUndefined();
    expect(window.file('segment-2.m4s')).toBe(large);
  });

  it('counts the discontinuities that leave it by their bytes', () => {
    const window = new HlsWindow(2000, 3);
    const large = bytes(0, 70 * 1024 * 1024);
    for (let index = 0; index < 3; index++) {
      window.beginInit(bytes(index));
      window.add({ bytes: large, durationMs: 2000, startTimeMs });
    }
    expect(window.playlist()).toContain('#EXT-X-DISCONTINUITY-SEQUENCE:2\n');
  });

  it.each(['', 'index.m3u8', 'segment-.m4s', 'segment-99.m4s', '../segment-0.m4s', 'init-1.mp4'])(
    'has no file %j',
    (name) => {
      const window = new HlsWindow(2000, 3);
      window.beginInit(bytes(9));
      add(window, 1);
      expect(window.file(name)).toBeUndefined();
    },
  );
});
