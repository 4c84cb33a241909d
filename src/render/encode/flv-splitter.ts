import { ByteQueue, type PictureSplitter, type SplitPicture } from './split-picture.js';

/**
 * Finds H.264 access units in FLV and gives them as Annex B. Annex B itself would not do: an access unit in it ends
 * where the next one begins, which is a picture later. A tag of FLV says how long it is, and FFmpeg writes each at once.
 *
 * Adobe Flash Video File Format Specification 10.1, annex E; the access units are laid out as ISO/IEC 14496-15 says.
 */
export class FlvSplitter implements PictureSplitter {
  readonly #queue = new ByteQueue();
  readonly #frameRate: number;
  #started = false;
  /** Sequence and picture parameter sets with start codes: they stand once, in front of the stream. */
  #parameterSets: Uint8Array = new Uint8Array();

  constructor(frameRate: number) {
    this.#frameRate = frameRate;
  }

  push(chunk: Uint8Array): readonly SplitPicture[] {
    const queue = this.#queue;
    queue.push(chunk);
    const pictures: SplitPicture[] = [];
    if (!this.#started) {
      if (queue.byteLength < FILE_HEADER_BYTES + TAG_SIZE_BYTES) return pictures;
      const header = queue.take(FILE_HEADER_BYTES + TAG_SIZE_BYTES);
      if (header.toString('latin1', 0, 3) !== 'FLV') throw new Error('This is no FLV');
      this.#started = true;
    }
    while (queue.byteLength >= TAG_HEADER_BYTES) {
      const header = queue.peek(TAG_HEADER_BYTES);
      const bytes = header.readUIntBE(1, 3);
      if (queue.byteLength < TAG_HEADER_BYTES + bytes + TAG_SIZE_BYTES) break;
      const type = header.readUInt8(0);
      // Milliseconds: 24 low bits, then 8 high ones.
      const timestampMs = header.readUIntBE(4, 3) + header.readUInt8(7) * 2 ** 24;
      const tag = queue.take(TAG_HEADER_BYTES + bytes + TAG_SIZE_BYTES);
      const body = tag.subarray(TAG_HEADER_BYTES, TAG_HEADER_BYTES + bytes);
      const picture = type === VIDEO_TAG ? this.#readVideo(body, timestampMs) : undefined;
      if (picture) pictures.push(picture);
    }
    return pictures;
  }

  #readVideo(body: Buffer, timestampMs: number): SplitPicture | undefined {
    if (body.byteLength < VIDEO_HEADER_BYTES) throw new Error('A video tag is too short');
    const head = body.readUInt8(0);
    if ((head & 0x0f) !== CODEC_AVC) throw new Error('The video is not H.264');
    const payload = body.subarray(VIDEO_HEADER_BYTES);
    switch (body.readUInt8(1)) {
      case AVC_SEQUENCE_HEADER:
        this.#parameterSets = readParameterSets(payload);
        return undefined;
      case AVC_NALUS: {
        const index = Math.round((timestampMs * this.#frameRate) / 1000);
        const keyframe = head >> 4 === FRAME_TYPE_KEY;
        return { index, keyframe, bytes: toAnnexB(payload, keyframe ? this.#parameterSets : undefined) };
      }
      default:
        return undefined;
    }
  }
}

const FILE_HEADER_BYTES = 9;
const TAG_HEADER_BYTES = 11;
const TAG_SIZE_BYTES = 4;
const VIDEO_TAG = 9;
const VIDEO_HEADER_BYTES = 5;
const CODEC_AVC = 7;
const FRAME_TYPE_KEY = 1;
const AVC_SEQUENCE_HEADER = 0;
const AVC_NALUS = 1;
const NAL_TYPE_SPS = 7;
const LENGTH_BYTES = 4;
const START_CODE = [0, 0, 0, 1] as const;

/** From an AVCDecoderConfigurationRecord, ISO/IEC 14496-15 section 5.2.4.1. */
function readParameterSets(record: Buffer): Uint8Array {
  if (record.byteLength < 6 || (record.readUInt8(4) & 3) !== LENGTH_BYTES - 1) {
    throw new Error('The lengths of NAL units are not of four bytes');
  }
  const parts: Uint8Array[] = [];
  let at = 5;
  // The count of sequence parameter sets has five bits, that of picture parameter sets all eight.
  for (const mask of [0x1f, 0xff]) {
    const count = (record[at] ?? 0) & mask;
    at++;
    for (let set = 0; set < count; set++) {
      if (at + 2 > record.byteLength) throw new Error('A parameter set is cut off');
      const bytes = record.readUInt16BE(at);
      at += 2;
      if (at + bytes > record.byteLength) throw new Error('A parameter set is cut off');
      parts.push(Uint8Array.from(START_CODE), record.subarray(at, at + bytes));
      at += bytes;
    }
  }
  return Buffer.concat(parts);
}

/** A length of four bytes takes as much room as a start code. */
function toAnnexB(units: Buffer, parameterSets: Uint8Array | undefined): Uint8Array<ArrayBuffer> {
  const hasOwn = units.byteLength > LENGTH_BYTES && (units.readUInt8(LENGTH_BYTES) & 0x1f) === NAL_TYPE_SPS;
  const prefix = hasOwn ? undefined : parameterSets;
  const start = prefix?.byteLength ?? 0;
  const bytes = new Uint8Array(start + units.byteLength);
  if (prefix) bytes.set(prefix);
  bytes.set(units, start);
  for (let at = 0; at < units.byteLength;) {
    if (at + LENGTH_BYTES > units.byteLength) throw new Error('A NAL unit is cut off');
    const length = units.readUInt32BE(at);
    if (length === 0 || at + LENGTH_BYTES + length > units.byteLength)
      throw new Error('A NAL unit is cut off');
    bytes.set(START_CODE, start + at);
    at += LENGTH_BYTES + length;
  }
  return bytes;
}
