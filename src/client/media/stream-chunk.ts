import {
  KIND_AUDIO,
  KIND_DELTA,
  KIND_KEYFRAME,
  PAGE_HEADER_BYTES,
  SEQUENCE_BYTES,
} from '../../protocol/chunk-format.js';

export { KIND_AUDIO, KIND_DELTA, KIND_KEYFRAME } from '../../protocol/chunk-format.js';

/** A binary message of the WebSocket. */
export interface StreamChunk {
  /** Grows from chunk to chunk. */
  readonly sequence: number;
  readonly kind: typeof KIND_KEYFRAME | typeof KIND_DELTA | typeof KIND_AUDIO;
  /** µs, on the server's clock. */
  readonly timestampUs: number;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Reads `[seq: 8][kind: 1][pts, µs: 8][payload]`, big-endian. @returns undefined for what is no chunk. */
export function parseStreamChunk(buffer: ArrayBuffer): StreamChunk | undefined {
  if (buffer.byteLength <= PAGE_HEADER_BYTES) return undefined;
  const view = new DataView(buffer);
  const sequence = Number(view.getBigUint64(0));
  const kind = view.getUint8(SEQUENCE_BYTES);
  const timestampUs = Number(view.getBigUint64(SEQUENCE_BYTES + 1));
  if (!Number.isSafeInteger(sequence) || !Number.isSafeInteger(timestampUs)) return undefined;
  if (kind !== KIND_KEYFRAME && kind !== KIND_DELTA && kind !== KIND_AUDIO) return undefined;
  return { sequence, kind, timestampUs, data: new Uint8Array(buffer, PAGE_HEADER_BYTES) };
}

/** Constrained baseline, level 3.1; for a picture whose parameters cannot be read. */
const DEFAULT_H264 = 'avc1.42e01f';
/** Parameter sets come first; a whole picture need not be searched. */
const SEARCHED_BYTES = 256;
/** `nal_unit_type` of a sequence parameter set (H.264, table 7-1). */
const NAL_SPS = 7;

/** The codec of a keyframe (Annex B) as WebCodecs names it, by its sequence parameter set. */
export function h264CodecOf(keyframe: Uint8Array): string {
  const end = Math.min(keyframe.byteLength - 6, SEARCHED_BYTES);
  for (let at = 0; at < end; at++) {
    // H.264, annex B.1: start code; section 7.3.1: `nal_unit_type` in the low five bits.
    if (keyframe[at] || keyframe[at + 1] || keyframe[at + 2] !== 1) continue;
    if (((keyframe[at + 3] ?? 0) & 0x1f) !== NAL_SPS) continue;
    // Section 7.3.2.1.1: profile_idc, constraint flags, level_idc.
    const bytes = [...keyframe.subarray(at + 4, at + 7)];
    return `avc1.${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  }
  return DEFAULT_H264;
}
