import {
  AV_CHANNEL_LAYOUT_STEREO,
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_CODEC_ID_AAC,
  AV_CODEC_ID_OPUS,
  AV_SAMPLE_FMT_FLTP,
  AVERROR_EAGAIN,
} from 'node-av/constants';
import {
  Codec,
  CodecContext,
  FFmpegError,
  Frame,
  Packet,
  Rational,
  SoftwareResampleContext,
} from 'node-av/lib';

const SAMPLE_RATE_HZ = 48_000;
const BITRATE_BPS = 128_000;
/** Samples per AAC packet. */
const FRAME_SAMPLES = 1024;
const BYTES_PER_SAMPLE = 4;
/** Sound whose time is off by more than this does not continue what was before, µs. */
const GAP_US = 40_000;
/** Most samples in one Opus packet: 120 ms (RFC 6716 section 3.2.5). */
const MAX_DECODED_SAMPLES = 5760;

/** Opus in, AAC out. Everything blocks. */
export class AacEncoder {
  /** For the muxer. */
  readonly context = new CodecContext();
  readonly #decoder = new CodecContext();
  readonly #resampler = new SoftwareResampleContext();
  readonly #opus = new Packet();
  readonly #decoded = new Frame();
  readonly #frame = new Frame();
  readonly #aac = new Packet();
  readonly #planes = [0, 1].map(() => Buffer.alloc((FRAME_SAMPLES + MAX_DECODED_SAMPLES) * BYTES_PER_SAMPLE));
  #pendingSamples = 0;
  #isResampling = false;
  /** Where the samples that wait begin, in samples; undefined before the first. */
  #position: number | undefined;

  /** @param opusHead - RFC 7845 section 5.1. @throws Error where FFmpeg cannot. */
  constructor(opusHead: Buffer) {
    const decoder = Codec.findDecoder(AV_CODEC_ID_OPUS);
    const encoder = Codec.findEncoder(AV_CODEC_ID_AAC);
    if (!decoder || !encoder) throw new Error('FFmpeg was built without its Opus decoder or AAC encoder');
    this.#decoder.allocContext3(decoder);
    this.#decoder.sampleRate = SAMPLE_RATE_HZ;
    this.#decoder.channelLayout = AV_CHANNEL_LAYOUT_STEREO;
    this.#decoder.extraData = opusHead;
    FFmpegError.throwIfError(this.#decoder.open2Sync(decoder, null), 'open the Opus decoder');
    const { context } = this;
    context.allocContext3(encoder);
    context.sampleRate = SAMPLE_RATE_HZ;
    context.sampleFormat = AV_SAMPLE_FMT_FLTP;
    context.channelLayout = AV_CHANNEL_LAYOUT_STEREO;
    context.bitRate = BigInt(BITRATE_BPS);
    context.timeBase = new Rational(1, SAMPLE_RATE_HZ);
    context.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
    FFmpegError.throwIfError(context.open2Sync(encoder, null), 'open the AAC encoder');
    for (const part of [this.#opus, this.#decoded, this.#aac, this.#frame]) part.alloc();
    this.#frame.nbSamples = FRAME_SAMPLES;
    this.#frame.format = AV_SAMPLE_FMT_FLTP;
    this.#frame.sampleRate = SAMPLE_RATE_HZ;
    this.#frame.channelLayout = AV_CHANNEL_LAYOUT_STEREO;
    FFmpegError.throwIfError(this.#frame.getBuffer(0), 'allocate a sound frame');
  }

  /**
   * @param timeUs - at which the packet is to be heard.
   * @param onPacket - told of each packet that became whole; its times are in samples, and it is empty again afterwards.
   * @throws FFmpegError
   */
  encode(bytes: Uint8Array, timeUs: number, onPacket: (packet: Packet) => void): void {
    const given = Math.round((timeUs * SAMPLE_RATE_HZ) / 1e6);
    const expected = (this.#position ?? -Infinity) + this.#pendingSamples;
    const isNext = Math.abs(given - expected) <= (GAP_US * SAMPLE_RATE_HZ) / 1e6;
    if (!isNext) this.#position = Math.max(given - this.#pendingSamples, this.#position ?? -Infinity);
    this.#decode(bytes);
    while (this.#pendingSamples >= FRAME_SAMPLES) this.#encodeFrame(onPacket);
  }

  /** Idempotent. */
  close(): void {
    this.#decoder.freeContext();
    this.context.freeContext();
    this.#resampler.free();
    for (const part of [this.#opus, this.#decoded, this.#aac, this.#frame]) part.free();
  }

  #decode(bytes: Uint8Array): void {
    this.#opus.data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const sent = this.#decoder.sendPacketSync(this.#opus);
    this.#opus.unref();
    FFmpegError.throwIfError(sent, 'decode the sound');
    for (;;) {
      const received = this.#decoder.receiveFrameSync(this.#decoded);
      if (received === AVERROR_EAGAIN) return;
      FFmpegError.throwIfError(received, 'decode the sound');
      this.#take(this.#decoded);
      this.#decoded.unref();
    }
  }

  /** The two decoders of Opus give different formats of samples. */
  #take(decoded: Frame): void {
    if (!this.#isResampling) {
      const set = this.#resampler.allocSetOpts2(
        ...([AV_CHANNEL_LAYOUT_STEREO, AV_SAMPLE_FMT_FLTP, SAMPLE_RATE_HZ] as const),
        ...([decoded.channelLayout, this.#decoder.sampleFormat, decoded.sampleRate] as const),
      );
      FFmpegError.throwIfError(set, 'set up the resampler');
      FFmpegError.throwIfError(this.#resampler.init(), 'open the resampler');
      this.#isResampling = true;
    }
    const offset = this.#pendingSamples * BYTES_PER_SAMPLE;
    const room = this.#planes.map((plane) => plane.subarray(offset));
    const converted = this.#resampler.convertSync(
      room,
      Math.min(MAX_DECODED_SAMPLES, (room[0]?.length ?? 0) / BYTES_PER_SAMPLE),
      decoded.extendedData ?? decoded.data ?? [],
      decoded.nbSamples,
    );
    FFmpegError.throwIfError(converted, 'convert the sound');
    this.#pendingSamples += converted;
  }

  #encodeFrame(onPacket: (packet: Packet) => void): void {
    const frame = this.#frame;
    FFmpegError.throwIfError(frame.makeWritable(), 'write a sound frame');
    const position = this.#position ?? 0;
    const planes = frame.data ?? [];
    for (const [channel, samples] of this.#planes.entries()) {
      const plane = planes[channel];
      if (!plane) throw new Error('The sound frame has no memory');
      samples.copy(plane, 0, 0, FRAME_SAMPLES * BYTES_PER_SAMPLE);
      samples.copyWithin(0, FRAME_SAMPLES * BYTES_PER_SAMPLE, this.#pendingSamples * BYTES_PER_SAMPLE);
    }
    frame.pts = BigInt(position);
    this.#pendingSamples -= FRAME_SAMPLES;
    this.#position = position + FRAME_SAMPLES;
    FFmpegError.throwIfError(this.context.sendFrameSync(frame), 'encode the sound');
    for (;;) {
      const received = this.context.receivePacketSync(this.#aac);
      if (received === AVERROR_EAGAIN) return;
      FFmpegError.throwIfError(received, 'encode the sound');
      onPacket(this.#aac);
      this.#aac.unref();
    }
  }
}
