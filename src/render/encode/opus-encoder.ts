import {
  AV_CHANNEL_LAYOUT_MONO,
  AV_CHANNEL_LAYOUT_STEREO,
  AV_SAMPLE_FMT_FLT,
  AV_SAMPLE_FMT_FLTP,
  AVERROR_EAGAIN,
  FF_ENCODER_LIBOPUS,
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

import type { AudioChunk } from '../capture/audio-ring-reader.js';

export const OPUS_SAMPLE_RATE_HZ = 48_000;
/** 20 ms. */
export const OPUS_FRAME_SAMPLES = 960;
const BITRATE_BPS = 128_000;
const CHANNELS = 2;
const BYTES_PER_SAMPLE_FRAME = CHANNELS * 4;
/** Half a second of resampled sound: more is never waiting, since each chunk is encoded as it comes. */
const PENDING_SAMPLES_MAX = OPUS_SAMPLE_RATE_HZ / 2;

/** libopus through FFmpeg's libraries, and the resampler before it: chunks in, packets of 20 ms out. */
export class OpusEncoder {
  readonly #context = new CodecContext();
  readonly #packet = new Packet();
  readonly #frame = new Frame();
  readonly #pending = Buffer.alloc(PENDING_SAMPLES_MAX * BYTES_PER_SAMPLE_FRAME);
  #pendingSamples = 0;
  #resampler: { context: SoftwareResampleContext; sampleRateHz: number; channels: number } | undefined;
  #samplesSent = 0;
  #closed = false;

  /**
   * @param dtx - of silence, most packets are a header alone.
   * @throws Error when FFmpeg was built without libopus.
   */
  constructor({ dtx = false }: { dtx?: boolean } = {}) {
    const codec = Codec.findEncoderByName(FF_ENCODER_LIBOPUS);
    if (!codec) throw new Error('FFmpeg was built without libopus');
    const context = this.#context;
    context.allocContext3(codec);
    context.sampleRate = OPUS_SAMPLE_RATE_HZ;
    context.sampleFormat = AV_SAMPLE_FMT_FLT;
    context.channelLayout = AV_CHANNEL_LAYOUT_STEREO;
    context.bitRate = BigInt(BITRATE_BPS);
    context.timeBase = new Rational(1, OPUS_SAMPLE_RATE_HZ);
    const options = {
      application: 'audio',
      frame_duration: 20,
      // In-band FEC would cost all viewers something: at a set loss of 5 % it is in 6 to 8 % of the packets, and at 10 % all sound
      // becomes hybrid. RED repeats whole packets, for those who lose some.
      fec: 0,
      // CELT then depends less on the packets before.
      packet_loss: 5,
      // As libopus has it by default. Unconstrained, tones and clicks take up to two thirds more, and then three packets, as RED
      // sends them to viewers that lose many, do not fit into one datagram.
      vbr: 'constrained',
      dtx: dtx ? 1 : 0,
    };
    for (const [name, value] of Object.entries(options)) {
      FFmpegError.throwIfError(context.setOption(name, value), `set ${name} of libopus`);
    }
    FFmpegError.throwIfError(context.open2Sync(codec, null), 'open libopus');
    this.#packet.alloc();
    const frame = this.#frame;
    frame.alloc();
    frame.nbSamples = OPUS_FRAME_SAMPLES;
    frame.format = AV_SAMPLE_FMT_FLT;
    frame.sampleRate = OPUS_SAMPLE_RATE_HZ;
    frame.channelLayout = AV_CHANNEL_LAYOUT_STEREO;
    FFmpegError.throwIfError(frame.getBuffer(0), 'allocate a sound frame');
  }

  /** Samples at 48 kHz that wait for their frame to be full, those within the resampler included. */
  get delaySamples(): number {
    const held = this.#resampler?.context.getDelay(BigInt(OPUS_SAMPLE_RATE_HZ)) ?? 0n;
    return this.#pendingSamples + Number(held);
  }

  /** @returns the packets that the chunk completed, oldest first. */
  encode(chunk: AudioChunk): Uint8Array<ArrayBuffer>[] {
    this.#resample(chunk);
    const packets: Uint8Array<ArrayBuffer>[] = [];
    let usedSamples = 0;
    while (this.#pendingSamples - usedSamples >= OPUS_FRAME_SAMPLES) {
      const offset = usedSamples * BYTES_PER_SAMPLE_FRAME;
      const samples = this.#pending.subarray(offset, offset + OPUS_FRAME_SAMPLES * BYTES_PER_SAMPLE_FRAME);
      usedSamples += OPUS_FRAME_SAMPLES;
      packets.push(...this.#encodeFrame(samples));
    }
    if (usedSamples > 0) {
      const end = this.#pendingSamples * BYTES_PER_SAMPLE_FRAME;
      this.#pending.copyWithin(0, usedSamples * BYTES_PER_SAMPLE_FRAME, end);
      this.#pendingSamples -= usedSamples;
    }
    return packets;
  }

  /** Forgets samples that wait: what follows does not continue them. */
  reset(): void {
    this.#pendingSamples = 0;
    this.#resampler?.context.free();
    this.#resampler = undefined;
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.reset();
    this.#context.freeContext();
    this.#packet.free();
    this.#frame.free();
  }

  #resample(chunk: AudioChunk): void {
    const fresh = this.#resampler === undefined;
    const { context } = this.#resamplerFor(chunk);
    const planeBytes = chunk.samplesPerChannel * 4;
    const planes = Array.from({ length: chunk.channels }, (_, channel) =>
      chunk.samples.subarray(channel * planeBytes, (channel + 1) * planeBytes),
    );
    const room = PENDING_SAMPLES_MAX - this.#pendingSamples;
    const output = this.#pending.subarray(this.#pendingSamples * BYTES_PER_SAMPLE_FRAME);
    const converted = context.convertSync([output], room, planes, chunk.samplesPerChannel);
    FFmpegError.throwIfError(converted, 'resample the sound');
    this.#pendingSamples += converted;
    if (fresh) this.#fillUp(Math.round((chunk.samplesPerChannel * OPUS_SAMPLE_RATE_HZ) / chunk.sampleRateHz));
  }

  /**
   * The resampler holds a few samples of its first chunk back, so that two chunks of 10 ms would come out just short of
   * a frame, which would then wait for a third. As many zeros before them make the frame full.
   */
  #fillUp(samples: number): void {
    const missingBytes = (samples - this.#pendingSamples) * BYTES_PER_SAMPLE_FRAME;
    if (missingBytes <= 0) return;
    this.#pending.copyWithin(missingBytes, 0, this.#pendingSamples * BYTES_PER_SAMPLE_FRAME);
    this.#pending.fill(0, 0, missingBytes);
    this.#pendingSamples = samples;
  }

  #resamplerFor({ sampleRateHz, channels }: AudioChunk): { context: SoftwareResampleContext } {
    if (this.#resampler?.sampleRateHz === sampleRateHz && this.#resampler.channels === channels) {
      return this.#resampler;
    }
    this.#resampler?.context.free();
    const context = new SoftwareResampleContext();
    const input = channels === 1 ? AV_CHANNEL_LAYOUT_MONO : AV_CHANNEL_LAYOUT_STEREO;
    FFmpegError.throwIfError(
      context.allocSetOpts2(
        AV_CHANNEL_LAYOUT_STEREO,
        AV_SAMPLE_FMT_FLT,
        OPUS_SAMPLE_RATE_HZ,
        input,
        AV_SAMPLE_FMT_FLTP,
        sampleRateHz,
      ),
      'set up the resampler',
    );
    FFmpegError.throwIfError(context.init(), 'open the resampler');
    this.#resampler = { context, sampleRateHz, channels };
    return this.#resampler;
  }

  #encodeFrame(samples: Buffer): Uint8Array<ArrayBuffer>[] {
    FFmpegError.throwIfError(this.#frame.makeWritable(), 'write a sound frame');
    const [plane] = this.#frame.data ?? [];
    if (!plane) throw new Error('The sound frame has no memory');
    samples.copy(plane);
    this.#frame.pts = BigInt(this.#samplesSent);
    this.#samplesSent += OPUS_FRAME_SAMPLES;
    FFmpegError.throwIfError(this.#context.sendFrameSync(this.#frame), 'encode the sound');
    const packets: Uint8Array<ArrayBuffer>[] = [];
    for (;;) {
      const received = this.#context.receivePacketSync(this.#packet);
      if (received === AVERROR_EAGAIN) return packets;
      FFmpegError.throwIfError(received, 'encode the sound');
      packets.push(Uint8Array.from(this.#packet.data ?? []));
      this.#packet.unref();
    }
  }
}
