import type { Container } from '../protocol/recordings.js';
import type { VideoCodec } from '../protocol/video-codecs.js';
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, rmSync } from 'node:fs';

import {
  AV_CHANNEL_LAYOUT_STEREO,
  AV_CODEC_ID_AV1,
  AV_CODEC_ID_H264,
  AV_CODEC_ID_HEVC,
  AV_CODEC_ID_OPUS,
  AV_CODEC_ID_VP8,
  AV_CODEC_ID_VP9,
  AV_OPT_SEARCH_CHILDREN,
  AV_OPT_TYPE_STRING,
  AV_PIX_FMT_YUV420P,
  AV_SAMPLE_FMT_FLT,
  AVFMT_FLAG_FLUSH_PACKETS,
  AVMEDIA_TYPE_AUDIO,
  AVMEDIA_TYPE_VIDEO,
  type AVCodecID,
} from 'node-av/constants';
import { Dictionary, FFmpegError, FormatContext, Packet, Rational, type Stream } from 'node-av/lib';

import type { KeyframeParameters } from './keyframe-parameters.js';
import type { PlacedPacket } from './mux-packet.js';
import { AUDIO_PACKET_US } from './packet-interleaver.js';

/** FFmpeg's number of what a container holds; the sound is Opus in every one. */
const CODEC_IDS: Readonly<Record<VideoCodec, AVCodecID>> = {
  h264: AV_CODEC_ID_H264,
  vp8: AV_CODEC_ID_VP8,
  vp9: AV_CODEC_ID_VP9,
  av1: AV_CODEC_ID_AV1,
  h265: AV_CODEC_ID_HEVC,
};

const VIDEO_TIMEBASE = { num: 1, den: 90_000 } as const;
const AUDIO_TIMEBASE = { num: 1, den: 48_000 } as const;
const OPUS_FRAME_SAMPLES = 960;
/** Bytes that a container adds to a packet, at most, fragment headers included. */
const PACKET_OVERHEAD_BYTES = 64;
/** Bytes that ending the file may add: its index, with an entry a track for each fragment. */
const TRAILER_BYTES = 4096;
const TRAILER_BYTES_PER_FLUSH = 64;

/**
 * RFC 7845 section 5.1, in the byte order that both containers take from FFmpeg. No pre-skip: the encoder has run before
 * the file began, so its delay is taken off the times instead.
 */
export const OPUS_HEAD = Buffer.from([
  ...Buffer.from('OpusHead'),
  ...[1, 2, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0],
]);

/** 20 ms of silence in stereo (RFC 6716 section 3.1: CELT, full band, one frame, whose first bit says silence). */
const OPUS_SILENCE = Buffer.from([0xfc, 0xff, 0xfe]);

/**
 * Options of FFmpeg's muxers. Fragments and clusters are cut by {@link MediaFile.flush} alone, since only the caller
 * knows when one is due; each has its own time, so that what stands before it can be read whatever comes after.
 */
const MUXER_OPTIONS: Readonly<Record<Container, Readonly<Record<string, string>>>> = {
  mp4: { movflags: 'frag_custom+empty_moov+default_base_moof' },
  webm: { cluster_time_limit: '5000' },
};

/** One file that is being written by FFmpeg's muxer. Everything blocks: it belongs into a thread of its own. */
export class MediaFile {
  readonly width: number;
  readonly height: number;
  readonly #container: Container;
  readonly #format = new FormatContext();
  readonly #packet = new Packet();
  readonly #streams: Readonly<Record<'video' | 'audio', Stream | undefined>>;
  readonly #lastPts = { video: -1n, audio: -1n };
  /** All that is on disk is whole up to here. */
  #safeBytes: number;
  /** A second one of our own, for what FFmpeg does not tell or do. */
  #descriptor: number | undefined;
  #pendingBytes = 0;
  #drainedBytes = 0;
  #flushes = 0;
  #closed = false;

  /**
   * Makes the file and writes its header.
   *
   * @throws FFmpegError, a file that exists already is overwritten.
   */
  constructor(path: string, container: Container, video: KeyframeParameters, hasAudio: boolean) {
    this.width = video.width;
    this.height = video.height;
    const format = this.#format;
    FFmpegError.throwIfError(format.allocOutputContext2(null, container, path), 'make a muxer');
    try {
      FFmpegError.throwIfError(format.openOutputSync(), 'open the file');
      this.#descriptor = openSync(path, 'r+');
      format.setFlags(AVFMT_FLAG_FLUSH_PACKETS);
      const videoStream = addVideoStream(format, video);
      this.#streams = { video: videoStream, audio: hasAudio ? addAudio(format) : undefined };
      const options = Dictionary.fromObject(MUXER_OPTIONS[container]);
      FFmpegError.throwIfError(format.writeHeaderSync(options), 'write the header');
      this.#container = container;
      this.#beginFragment();
      this.#packet.alloc();
      this.#safeBytes = this.#flushedBytes();
    } catch (thrown) {
      this.#free();
      rmSync(path, { force: true });
      throw thrown;
    }
  }

  /** What the file will have at most when what was written is flushed and the file ended. */
  get expectedBytes(): number {
    const trailerBytes = TRAILER_BYTES + (this.#flushes + 1) * TRAILER_BYTES_PER_FLUSH;
    return this.#safeBytes + this.#pendingBytes + trailerBytes;
  }

  /** Bytes written since the last flush. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Bytes on disk that can be read whatever happens now. */
  get safeBytes(): number {
    return this.#safeBytes;
  }

  /**
   * @param originUs - the time at which the file begins.
   * @throws FFmpegError
   */
  write(placed: PlacedPacket, originUs: number): void {
    const timeUs = placed.timeUs - originUs;
    // FFmpeg's MP4 muxer puts the first packet of a track at 0, whatever its time; then it shall be one of silence.
    const isPutAtStart = this.#container === 'mp4' && this.#lastPts[placed.kind] < 0n;
    if (placed.kind === 'audio' && isPutAtStart && timeUs >= AUDIO_PACKET_US) {
      this.#write({ ...placed, bytes: OPUS_SILENCE }, 0);
    }
    this.#write(placed, timeUs);
  }

  /**
   * Ends the fragment or cluster and hands it to the operating system: it survives this process.
   *
   * @throws FFmpegError
   */
  flush(): void {
    if (this.#pendingBytes === 0) return;
    FFmpegError.throwIfError(this.#format.writeFrameSync(null), 'write a fragment');
    this.#safeBytes = this.#flushedBytes();
    this.#pendingBytes = 0;
    this.#flushes++;
    this.#beginFragment();
  }

  /**
   * Writes what ends a file, the index of its keyframes among it, and closes it.
   *
   * @throws FFmpegError; the file is then closed and cut as {@link abandon} does.
   */
  finish(): void {
    if (this.#closed) return;
    try {
      this.flush();
      FFmpegError.throwIfError(this.#format.writeTrailerSync(), 'end the file');
      this.#safeBytes = this.#flushedBytes();
    } catch (thrown) {
      this.abandon();
      throw thrown;
    }
    this.#free();
  }

  /** Closes a file that can be written no more, and cuts off the part of it that is not whole. Idempotent. */
  abandon(): void {
    if (this.#closed) return;
    // First: closing writes what FFmpeg still holds.
    this.#closeOutput();
    try {
      if (this.#descriptor !== undefined) ftruncateSync(this.#descriptor, this.#safeBytes);
    } catch {
      // A disk that takes nothing any more: players ignore what is cut off in the middle.
    }
    this.#free();
  }

  /**
   * Takes all that is safe and was not taken yet out of the file, which then holds nothing: it goes on at the same
   * offsets, with a hole before them.
   *
   * @throws Error of the system.
   */
  drain(): Buffer<ArrayBuffer> {
    const bytes = Buffer.alloc(this.#safeBytes - this.#drainedBytes);
    const descriptor = this.#descriptor;
    if (descriptor === undefined) return bytes;
    const readBytes = readSync(descriptor, bytes, 0, bytes.length, this.#drainedBytes);
    if (readBytes < bytes.length) throw new Error(`Read ${readBytes} bytes of ${bytes.length}`);
    ftruncateSync(descriptor, 0);
    this.#drainedBytes = this.#safeBytes;
    return bytes;
  }

  /**
   * FFmpeg's MP4 muxer adds up lengths for the time of a fragment, and so loses a gap before it, unless it is told of a
   * discontinuity; then it takes the time of the first packet (ISO/IEC 14496-12 section 8.8.12).
   */
  #beginFragment(): void {
    if (this.#container !== 'mp4') return;
    const set = this.#format.setOption(
      'movflags',
      '+frag_discont',
      AV_OPT_TYPE_STRING,
      AV_OPT_SEARCH_CHILDREN,
    );
    FFmpegError.throwIfError(set, 'begin a fragment');
  }

  #write({ kind, bytes, keyframe, durationUs }: PlacedPacket, timeUs: number): void {
    const stream = this.#streams[kind];
    if (stream === undefined) return;
    const { num, den } = stream.timeBase;
    const ticks = (us: number): bigint => BigInt(Math.round((us * den) / (num * 1_000_000)));
    // Times grow by a tick at least: a muxer refuses what does not.
    const earliest = this.#lastPts[kind] + 1n;
    const wanted = ticks(timeUs);
    const pts = wanted > earliest ? wanted : earliest;
    const packet = this.#packet;
    packet.data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    packet.streamIndex = stream.index;
    packet.pts = pts;
    packet.dts = pts;
    packet.duration = ticks(durationUs);
    packet.isKeyframe = keyframe;
    const written = this.#format.writeFrameSync(packet);
    packet.unref();
    FFmpegError.throwIfError(written, 'write a packet');
    this.#lastPts[kind] = pts;
    this.#pendingBytes += bytes.byteLength + PACKET_OVERHEAD_BYTES;
  }

  /** FFmpeg notes a failed write and goes on; the size of the file tells at once. */
  #flushedBytes(): number {
    this.#format.flushSync();
    const { size } = fstatSync(this.#descriptor ?? -1);
    const writtenBytes = Number(this.#format.pbBytes);
    if (size < writtenBytes) {
      FFmpegError.throwIfError(this.#format.writeFrameSync(null), 'write the file');
      throw new Error(`The file has ${size} bytes of ${writtenBytes}`);
    }
    return size;
  }

  #free(): void {
    this.#closeOutput();
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#format.freeContext();
    this.#packet.free();
  }

  #closeOutput(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#format.closeOutputSync();
  }
}

export function addVideoStream(format: FormatContext, video: KeyframeParameters): Stream {
  const stream = format.newStream();
  stream.timeBase = new Rational(VIDEO_TIMEBASE.num, VIDEO_TIMEBASE.den);
  const parameters = stream.codecpar;
  parameters.codecType = AVMEDIA_TYPE_VIDEO;
  parameters.codecId = CODEC_IDS[video.codec];
  // Safari plays no `hev1`, FFmpeg's own choice; in `hvc1` the parameter sets stand in the header alone (ISO/IEC 14496-15 section 8.4.1).
  if (video.codec === 'h265') parameters.codecTag = 'hvc1';
  parameters.format = AV_PIX_FMT_YUV420P;
  parameters.width = video.width;
  parameters.height = video.height;
  if (video.extradata.length > 0) parameters.extradata = video.extradata;
  return stream;
}

function addAudio(format: FormatContext): Stream {
  const stream = format.newStream();
  stream.timeBase = new Rational(AUDIO_TIMEBASE.num, AUDIO_TIMEBASE.den);
  const parameters = stream.codecpar;
  parameters.codecType = AVMEDIA_TYPE_AUDIO;
  parameters.codecId = AV_CODEC_ID_OPUS;
  parameters.format = AV_SAMPLE_FMT_FLT;
  parameters.sampleRate = AUDIO_TIMEBASE.den;
  parameters.channelLayout = AV_CHANNEL_LAYOUT_STEREO;
  parameters.frameSize = OPUS_FRAME_SAMPLES;
  parameters.extradata = OPUS_HEAD;
  return stream;
}
