import { execFileSync } from 'node:child_process';

import type { VideoCodec } from '../../src/protocol/video-codecs.js';

export interface EncodedPicture {
  readonly bytes: Uint8Array;
  readonly keyframe: boolean;
}

/** Of an access unit delimiter; IVF has neither of these codecs. */
const STARTS_OF_ACCESS_UNIT: Readonly<Partial<Record<VideoCodec, Buffer>>> = {
  h264: Buffer.from([0, 0, 0, 1, 9]),
  h265: Buffer.from([0, 0, 0, 1, 0x46]),
};
/** What FFmpeg calls codecs in Annex B. */
const ANNEX_B_FORMATS: Readonly<Partial<Record<VideoCodec, string>>> = { h264: 'h264', h265: 'hevc' };
const IVF_HEADER_BYTES = 32;
const IVF_FRAME_HEADER_BYTES = 12;

const LIBVPX_OPTIONS = ['-deadline', 'realtime', '-cpu-used', '8', '-g', '99999'];
const ENCODERS: Readonly<Record<VideoCodec, readonly string[]>> = {
  h264: ['libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-x264-params', 'keyint=infinite:aud=1'],
  vp8: ['libvpx', ...LIBVPX_OPTIONS],
  vp9: ['libvpx-vp9', ...LIBVPX_OPTIONS, '-lag-in-frames', '0'],
  av1: ['libsvtav1', '-preset', '10', '-g', '99999', '-svtav1-params', 'pred-struct=1:lp=1'],
  h265: [
    'libx265',
    '-preset',
    'ultrafast',
    '-tune',
    'zerolatency',
    '-x265-params',
    'keyint=-1:aud=1:log-level=none',
  ],
};

/** Pictures of a moving test card, 30 a second, as our encoders give them: a keyframe, then none. */
export function encodedPictures(codec: VideoCodec, size: string, seconds: number): EncodedPicture[] {
  const stream = execFileSync(
    'ffmpeg',
    [
      ...['-v', 'error', '-f', 'lavfi', '-i', `testsrc=s=${size}:r=30:d=${seconds}`],
      ...['-pix_fmt', 'yuv420p', '-c:v', ...ENCODERS[codec], '-f', ANNEX_B_FORMATS[codec] ?? 'ivf', '-'],
    ],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  const start = STARTS_OF_ACCESS_UNIT[codec];
  const frames = start === undefined ? ivfFrames(stream) : accessUnits(stream, start);
  return frames.map((bytes, index) => ({ bytes, keyframe: index === 0 }));
}

function accessUnits(stream: Buffer, startCode: Buffer): Buffer[] {
  const units: Buffer[] = [];
  let start = stream.indexOf(startCode);
  while (start >= 0) {
    const next = stream.indexOf(startCode, start + 1);
    units.push(stream.subarray(start, next < 0 ? stream.length : next));
    start = next;
  }
  return units;
}

function ivfFrames(stream: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = IVF_HEADER_BYTES; at < stream.length;) {
    const bytes = stream.readUInt32LE(at);
    at += IVF_FRAME_HEADER_BYTES;
    frames.push(stream.subarray(at, at + bytes));
    at += bytes;
  }
  return frames;
}
