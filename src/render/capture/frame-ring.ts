/**
 * The shared files through which the capture page hands raw pictures and samples to this process. All numbers in
 * them are little-endian.
 *
 * - `video`: slots of one picture each, tightly packed planes, with a trailer behind the picture's bytes. Picture
 *   and trailer are one write, so a reader that sees the trailer of a sequence number sees the whole picture.
 * - `credits`: written by the reader: the sequence number of the picture that it is copying, or 0. The page never
 *   writes into the slot of that picture. Picture n lies in slot n modulo the slot count.
 * - `audio`: slots of one chunk of planar float samples each, with the same trailer discipline and no
 *   credits: the ring is long enough, and the reader checks the trailer again after its copy.
 */
export interface FrameRingLayout {
  readonly videoSlotCount: number;
  /** Bytes kept for a picture; the trailer follows. */
  readonly videoSlotBytes: number;
  readonly audioSlotCount: number;
  /** Bytes kept for a chunk's samples; the trailer follows. */
  readonly audioSlotBytes: number;
  readonly trailerBytes: number;
  readonly creditsFileBytes: number;
}

export const TRAILER_BYTES = 64;

/** Offsets in a trailer. The sequence number stands at both ends, against torn reads. */
export const TRAILER = {
  sequence: 0,
  /** Video: 1 I420, 2 NV12. Audio: sample rate in Hz. */
  format: 4,
  /** Video: width in pixels. Audio: channels. */
  width: 8,
  /** Video: height in pixels. Audio: samples a channel. */
  height: 12,
  /** Float64: the picture's or chunk's own timestamp, µs. */
  timestampUs: 16,
  /** Float64: wall-clock time at which the page received it, µs since the Unix epoch. */
  arrivalUs: 24,
  sequenceAgain: 60,
} as const;

const VIDEO_SLOTS = 4;
/** 128 chunks of 10 ms: more than a second before one is overwritten. */
const AUDIO_SLOTS = 128;
/** Two channels of 20 ms at 48 kHz in float32; chunks are 10 ms in practice. */
const AUDIO_SLOT_BYTES = 2 * 960 * 4;

/** The layout for pictures of at most `width` x `height` pixels, 4:2:0. */
export function frameRingLayout(width: number, height: number): FrameRingLayout {
  return {
    videoSlotCount: VIDEO_SLOTS,
    videoSlotBytes: (width * height * 3) / 2,
    audioSlotCount: AUDIO_SLOTS,
    audioSlotBytes: AUDIO_SLOT_BYTES,
    trailerBytes: TRAILER_BYTES,
    creditsFileBytes: 4096,
  };
}

export function videoFileBytes(layout: FrameRingLayout): number {
  return layout.videoSlotCount * (layout.videoSlotBytes + layout.trailerBytes);
}

export function audioFileBytes(layout: FrameRingLayout): number {
  return layout.audioSlotCount * (layout.audioSlotBytes + layout.trailerBytes);
}

/** A trailer's fields, or undefined where the slot is empty or being written. */
export interface Trailer {
  readonly sequence: number;
  readonly format: number;
  readonly width: number;
  readonly height: number;
  readonly timestampUs: number;
  readonly arrivalUs: number;
}

export function readTrailer(bytes: Buffer): Trailer | undefined {
  const sequence = bytes.readUInt32LE(TRAILER.sequence);
  if (sequence === 0 || sequence !== bytes.readUInt32LE(TRAILER.sequenceAgain)) return undefined;
  return {
    sequence,
    format: bytes.readUInt32LE(TRAILER.format),
    width: bytes.readUInt32LE(TRAILER.width),
    height: bytes.readUInt32LE(TRAILER.height),
    timestampUs: bytes.readDoubleLE(TRAILER.timestampUs),
    arrivalUs: bytes.readDoubleLE(TRAILER.arrivalUs),
  };
}
