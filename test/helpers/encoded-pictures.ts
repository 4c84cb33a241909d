import { execFileSync } from 'node:child_process';

export interface EncodedPicture {
  readonly bytes: Uint8Array;
  readonly keyframe: boolean;
}

const START_OF_ACCESS_UNIT = Buffer.from([0, 0, 0, 1, 9]);
const IVF_HEADER_BYTES = 32;
const IVF_FRAME_HEADER_BYTES = 12;

/** Pictures of a moving test card, 30 a second, as our encoders give them: a keyframe, then none. */
export function encodedPictures(codec: 'h264' | 'vp8', size: string, seconds: number): EncodedPicture[] {
  const encoder =
    codec === 'h264'
      ? ['libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-x264-params', 'keyint=infinite:aud=1']
      : ['libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-g', '99999'];
  const stream = execFileSync(
    'ffmpeg',
    [
      ...['-v', 'error', '-f', 'lavfi', '-i', `testsrc=s=${size}:r=30:d=${seconds}`],
      ...['-pix_fmt', 'yuv420p', '-c:v', ...encoder, '-f', codec === 'h264' ? 'h264' : 'ivf', '-'],
    ],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  const frames = codec === 'h264' ? accessUnits(stream) : ivfFrames(stream);
  return frames.map((bytes, index) => ({ bytes, keyframe: index === 0 }));
}

function accessUnits(stream: Buffer): Buffer[] {
  const units: Buffer[] = [];
  let start = stream.indexOf(START_OF_ACCESS_UNIT);
  while (start >= 0) {
    const next = stream.indexOf(START_OF_ACCESS_UNIT, start + 1);
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
