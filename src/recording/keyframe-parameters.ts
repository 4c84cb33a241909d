import type { VideoCodec } from '../render/encode/encoded-frame.js';
import { AnnexBScanner } from '../render/packetize/annex-b.js';
import { av1ObusOf, OBU_SEQUENCE_HEADER } from '../render/packetize/av1-obus.js';
import {
  h265NalType,
  PICTURE_PARAMETER_SET,
  SEQUENCE_PARAMETER_SET,
  VIDEO_PARAMETER_SET,
} from '../render/packetize/h265-nal-type.js';
import { vp9PictureSize } from '../render/packetize/vp9-picture-header.js';
import { av1PictureSize } from './av1-picture-size.js';
import type { PictureSize } from './h264-picture-size.js';
import { h264PictureSize } from './h264-picture-size.js';
import { h265PictureSize } from './h265-picture-size.js';

/** What a container must know of a video track before its first picture. */
export interface KeyframeParameters {
  readonly codec: VideoCodec;
  /** Parameter sets in Annex B for H.264 and H.265, the unit of the sequence header for AV1, empty for VP8 and VP9. */
  readonly extradata: Buffer;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

type ReadParameters = (frame: Buffer) => Omit<KeyframeParameters, 'codec'> | undefined;

const READERS: Readonly<Record<VideoCodec, ReadParameters>> = {
  h264: (frame) => readParameterSets(frame, H264_SETS),
  vp8: vp8Parameters,
  vp9: vp9Parameters,
  av1: av1Parameters,
  h265: (frame) => readParameterSets(frame, H265_SETS),
};

// ITU-T H.264 table 7-1.
const NAL_TYPE_MASK = 0x1f;
const NAL_SEQUENCE_PARAMETER_SET = 7;
const NAL_PICTURE_PARAMETER_SET = 8;
const START_CODE = Buffer.from([0, 0, 0, 1]);

/**
 * Reads them from a keyframe as our encoders make it, with its parameter sets in band.
 *
 * @returns undefined for a frame that is no such keyframe.
 */
export function keyframeParameters(codec: VideoCodec, bytes: Uint8Array): KeyframeParameters | undefined {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parameters = READERS[codec](frame);
  return parameters && { codec, ...parameters };
}

/** Whether one track description serves both. */
export function sameParameters(one: KeyframeParameters, other: KeyframeParameters): boolean {
  return one.width === other.width && one.height === other.height && one.extradata.equals(other.extradata);
}

/** How the parameter sets of a codec are found. */
interface ParameterSets {
  readonly typeOf: (firstByte: number) => number;
  /** All of which a keyframe has. */
  readonly types: readonly number[];
  /** The one of them that tells the size. */
  readonly sequence: number;
  readonly pictureSize: (nal: Buffer) => PictureSize | undefined;
}

const H264_SETS: ParameterSets = {
  typeOf: (firstByte) => firstByte & NAL_TYPE_MASK,
  types: [NAL_SEQUENCE_PARAMETER_SET, NAL_PICTURE_PARAMETER_SET],
  sequence: NAL_SEQUENCE_PARAMETER_SET,
  pictureSize: h264PictureSize,
};

const H265_SETS: ParameterSets = {
  typeOf: h265NalType,
  types: [VIDEO_PARAMETER_SET, SEQUENCE_PARAMETER_SET, PICTURE_PARAMETER_SET],
  sequence: SEQUENCE_PARAMETER_SET,
  pictureSize: h265PictureSize,
};

function readParameterSets(frame: Buffer, format: ParameterSets): ReturnType<ReadParameters> {
  const nals = new AnnexBScanner();
  const count = nals.scan(frame);
  const sets: Buffer[] = [];
  const types = new Set<number>();
  let size: PictureSize | undefined;
  for (let index = 0; index < count; index++) {
    const nal = frame.subarray(nals.starts[index], nals.ends[index]);
    const type = format.typeOf(nal[0] ?? 0);
    if (!format.types.includes(type)) continue;
    if (type === format.sequence) size ??= format.pictureSize(nal);
    types.add(type);
    sets.push(START_CODE, nal);
  }
  const isWhole = types.size === format.types.length;
  return isWhole && size !== undefined ? { extradata: Buffer.concat(sets), ...size } : undefined;
}

/** RFC 6386 section 9.1: a frame tag of 3 bytes whose lowest bit is 0, a start code, then 14 bits each. */
function vp8Parameters(frame: Buffer): ReturnType<ReadParameters> {
  const isKeyframe = frame.length >= 10 && ((frame[0] ?? 1) & 1) === 0 && frame.readUIntBE(3, 3) === 0x9d012a;
  if (!isKeyframe) return undefined;
  return {
    extradata: Buffer.alloc(0),
    width: frame.readUInt16LE(6) & 0x3fff,
    height: frame.readUInt16LE(8) & 0x3fff,
  };
}

function vp9Parameters(frame: Buffer): ReturnType<ReadParameters> {
  const size = vp9PictureSize(frame);
  return size && { extradata: Buffer.alloc(0), ...size };
}

function av1Parameters(frame: Buffer): ReturnType<ReadParameters> {
  const sequence = av1ObusOf(frame)?.find(({ type }) => type === OBU_SEQUENCE_HEADER);
  if (sequence === undefined) return undefined;
  const payload = frame.subarray(sequence.start, sequence.end);
  const size = av1PictureSize(payload);
  // With its size field: FFmpeg's muxers read it from there. A sequence header has less than 128 bytes.
  if (size === undefined || payload.length > 127) return undefined;
  const [first = 0, ...extension] = sequence.header;
  return {
    extradata: Buffer.concat([Buffer.from([first | 0x02, ...extension, payload.length]), payload]),
    ...size,
  };
}
