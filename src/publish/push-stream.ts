import { AVFMT_FLAG_FLUSH_PACKETS } from 'node-av/constants';
import { Dictionary, FFmpegError, FormatContext, Packet, type Stream } from 'node-av/lib';

import {
  type KeyframeParameters,
  keyframeParameters,
  sameParameters,
} from '../recording/keyframe-parameters.js';
import { addVideoStream, OPUS_HEAD } from '../recording/media-file.js';
import type { PlacedPacket } from '../recording/mux-packet.js';
import { AacEncoder } from './aac-encoder.js';
import type { PushThreadData } from './push-messages.js';

/** The stream begins at this time, so that the delay of the AAC encoder does not go below zero, µs. */
const START_US = 100_000;

const MUXER_OPTIONS: Readonly<Record<PushThreadData['container'], Readonly<Record<string, string>>>> = {
  flv: { flvflags: 'no_duration_filesize' },
  mpegts: {},
};

/** What is pushed to one server by FFmpeg: pictures as they are, sound as AAC. Everything blocks: it belongs into a thread of its own. */
export class PushStream {
  readonly #video: KeyframeParameters;
  readonly #format = new FormatContext();
  readonly #packet = new Packet();
  readonly #streams: { readonly video: Stream; readonly audio: Stream | undefined };
  readonly #aac: AacEncoder | undefined;
  readonly #lastTicks = { video: -1n, audio: -1n };
  readonly #originUs: number;
  #isClosed = false;

  /**
   * Connects, and waits until the server takes the stream.
   *
   * @param originUs - time of the first picture.
   * @throws FFmpegError
   */
  constructor({ url, container, hasAudio }: PushThreadData, video: KeyframeParameters, originUs: number) {
    this.#video = video;
    this.#originUs = originUs - START_US;
    const format = this.#format;
    FFmpegError.throwIfError(format.allocOutputContext2(null, container, url), 'make a muxer');
    try {
      this.#aac = hasAudio ? new AacEncoder(OPUS_HEAD) : undefined;
      const videoStream = addVideoStream(format, video);
      this.#streams = { video: videoStream, audio: this.#aac && addAac(format, this.#aac) };
      FFmpegError.throwIfError(format.openOutputSync(), 'connect');
      format.setFlags(AVFMT_FLAG_FLUSH_PACKETS);
      const options = Dictionary.fromObject(MUXER_OPTIONS[container]);
      FFmpegError.throwIfError(format.writeHeaderSync(options), 'write the header');
      this.#packet.alloc();
    } catch (thrown) {
      this.close();
      throw thrown;
    }
  }

  /** Whether a keyframe goes on with the stream: servers take one format of pictures. */
  continues(keyframe: PlacedPacket): boolean {
    const parameters = keyframeParameters('h264', keyframe.bytes);
    return parameters !== undefined && sameParameters(this.#video, parameters);
  }

  /** Nothing once it is closed. @throws FFmpegError */
  write({ kind, bytes, keyframe, timeUs, durationUs }: PlacedPacket): void {
    if (this.#isClosed) return;
    const atUs = timeUs - this.#originUs;
    if (kind === 'audio') {
      this.#aac?.encode(bytes, atUs, (aac) => this.#writeSound(aac));
      return;
    }
    const packet = this.#packet;
    packet.data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    packet.isKeyframe = keyframe;
    this.#write('video', this.#streams.video, packet, { num: 1, den: 1_000_000 }, atUs, durationUs);
  }

  /** Ends the stream. Never throws: the server may be gone. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#format.closeOutputSync();
    this.#format.freeContext();
    this.#packet.free();
    this.#aac?.close();
  }

  /** Tells the server that nothing more comes. */
  finish(): void {
    if (!this.#isClosed) this.#format.writeTrailerSync();
    this.close();
  }

  #writeSound(aac: Packet): void {
    const { audio } = this.#streams;
    if (audio === undefined || this.#aac === undefined) return;
    const base = this.#aac.context.timeBase;
    this.#write('audio', audio, aac, base, Number(aac.pts), Number(aac.duration));
  }

  #write(
    kind: 'video' | 'audio',
    stream: Stream,
    packet: Packet,
    base: { readonly num: number; readonly den: number },
    time: number,
    duration: number,
  ): void {
    const { num, den } = stream.timeBase;
    const ticks = (value: number): bigint => BigInt(Math.round((value * base.num * den) / (base.den * num)));
    const wanted = ticks(time);
    // Times grow by a tick at least: a muxer refuses what does not.
    const earliest = this.#lastTicks[kind] + 1n;
    const at = wanted > earliest ? wanted : earliest;
    this.#lastTicks[kind] = at;
    packet.streamIndex = stream.index;
    packet.pts = at;
    packet.dts = at;
    packet.duration = ticks(duration);
    const written = this.#format.interleavedWriteFrameSync(packet);
    packet.unref();
    FFmpegError.throwIfError(written, 'send a packet');
  }
}

function addAac(format: FormatContext, { context }: AacEncoder): Stream {
  const stream = format.newStream();
  stream.timeBase = context.timeBase;
  FFmpegError.throwIfError(stream.codecpar.fromContext(context), 'describe the sound');
  return stream;
}
