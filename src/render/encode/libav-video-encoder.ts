import { availableParallelism } from 'node:os';

import {
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_YUV420P,
  AVCHROMA_LOC_LEFT,
  AVCOL_PRI_BT709,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_SMPTE170M,
  AVCOL_TRC_BT709,
  AVERROR_EAGAIN,
  type AVPixelFormat,
  type FFVideoEncoder,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Packet, Rational, SoftwareScaleContext } from 'node-av/lib';

import { checkLeavingRealTimePolicy, leaveRealTimePolicy } from '../../base/real-time-policy.js';
import type { EncoderName } from '../../options/encoder-names.js';
import type { VideoCodec } from './encoded-frame.js';
import { HARDWARE_ENCODERS } from './hardware-encoder-settings.js';
import { HardwareDevice } from './hardware-device.js';
import type { EncoderOptions, LibavEncoderSettings } from './libav-encoder-settings.js';
import { SOFTWARE_ENCODERS } from './software-encoder-settings.js';
import type {
  PictureFormat,
  PictureTimes,
  VideoEncoder,
  VideoEncoderListener,
  VideoEncoderParameters,
} from './video-encoder.js';

/** No picture but the first and those asked for is a keyframe. */
const GOP_FRAMES = 2 ** 30;
const MICROSECONDS_PER_SECOND = 1_000_000;
/** How much the encoder may send above its rate at once, in seconds: a keyframe must fit. */
export const VBV_SECONDS = 0.5;
/** The same for a picture that comes after a pause: nothing else is under way, and a keyframe of a still page must look like it. */
const VBV_SECONDS_AFTER_PAUSE = 1;
/** A pause is this many frame intervals long or longer. */
const PAUSE_INTERVALS = 2.5;
/** A capturer's intervals vary; only a longer one is counted as more than one. */
const LONG_INTERVALS = 1.5;
/** Share of the buffer that one picture may refill: with more, x264 takes the buffer for one of a single picture. */
const MAX_REFILL_SHARE = 0.8;
/**
 * A picture is cut into slices, one a thread, from this many pixels a second on. Below, the threads' wait for each other
 * costs more than it gains: at 720p60 on two busy cores one took 9 ms from raw picture to packet, two took 11.
 */
const PIXELS_PER_SECOND_PER_THREAD = 1920 * 1080 * 30;

/** Every encoder of FFmpeg's that is driven in this process. */
export const LIBAV_ENCODERS: Readonly<Record<EncoderName, LibavEncoderSettings>> = {
  ...HARDWARE_ENCODERS,
  ...SOFTWARE_ENCODERS,
};

/** How many slices a picture is cut into, each encoded by a thread of its own. */
export function encoderThreads(
  { width, height, frameRate }: PictureFormat,
  { maxThreads = 8 }: Pick<LibavEncoderSettings, 'maxThreads'> = {},
): number {
  const threads = Math.ceil((width * height * frameRate) / PIXELS_PER_SECOND_PER_THREAD);
  return Math.max(1, Math.min(threads, availableParallelism(), maxThreads));
}

/** One of FFmpeg's encoders through its libraries, in this process. */
export class LibavVideoEncoder implements VideoEncoder {
  readonly codec: VideoCodec;
  readonly name: string;
  #parameters: VideoEncoderParameters;
  readonly #listener: VideoEncoderListener;
  readonly #settings: LibavEncoderSettings;
  readonly #devicePath: string | undefined;
  readonly #packet = new Packet();
  #format: AVPixelFormat;
  #device: HardwareDevice | undefined;
  #context: CodecContext;
  #bitrateBps: number;
  /** As the encoder was opened. */
  #bufferSeconds = VBV_SECONDS;
  /** Of the picture before; undefined: it is the first. */
  #lastCaptureTimeUs: number | undefined;
  #converter: { scaler: SoftwareScaleContext; picture: Frame } | undefined;
  #closed = false;

  /**
   * @param device - path of a render node or number of a GPU; undefined: the first, or none is needed.
   * @throws Error when FFmpeg was built without the encoder, refuses its settings or finds no device.
   */
  constructor(
    name: EncoderName,
    device: string | undefined,
    parameters: VideoEncoderParameters,
    listener: VideoEncoderListener,
  ) {
    this.name = name;
    this.codec = parameters.codec;
    this.#devicePath = device;
    this.#listener = listener;
    this.#parameters = parameters;
    this.#settings = LIBAV_ENCODERS[name];
    this.#format = this.#settings.inputs[0] ?? AV_PIX_FMT_YUV420P;
    this.#bitrateBps = parameters.bitrateBps;
    this.#packet.alloc();
    this.#context = this.#open();
  }

  encode(picture: Frame, times: PictureTimes, keyframe: boolean): void {
    const input = this.#device ? this.#device.upload(this.#fitted(picture)) : this.#fitted(picture);
    if (this.#settings.countsPictures === true) this.#makeUp(times.captureTimeUs, keyframe);
    input.pts = BigInt(Math.round(times.captureTimeUs));
    input.pictType = keyframe ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    FFmpegError.throwIfError(this.#context.sendFrameSync(input), 'encode a picture');
    const received = this.#context.receivePacketSync(this.#packet);
    if (received === AVERROR_EAGAIN) {
      this.#listener.onDropped();
      return;
    }
    FFmpegError.throwIfError(received, 'encode a picture');
    // The packet's memory is FFmpeg's own; a copy can be handed to another thread.
    const bytes = Uint8Array.from(this.#packet.data ?? []);
    const { isKeyframe } = this.#packet;
    this.#packet.unref();
    this.#listener.onCompressed({ bytes, keyframe: isKeyframe, times });
  }

  setBitrate(bitrateBps: number): void {
    if (bitrateBps === this.#bitrateBps || this.#closed) return;
    this.#bitrateBps = bitrateBps;
    if (this.#settings.dynamicBitrate) {
      this.#applyBitrate(this.#context);
    } else {
      // FFmpeg hands libvpx its rate only when it opens it, so that a change costs a keyframe.
      this.#reopen();
    }
  }

  reconfigure(format: PictureFormat): void {
    if (this.#closed) return;
    this.#parameters = { ...this.#parameters, ...format };
    this.#freeConverter();
    this.#reopen();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#context.freeContext();
    this.#device?.close();
    this.#packet.free();
    this.#freeConverter();
  }

  #reopen(bufferSeconds = VBV_SECONDS): void {
    this.#context.freeContext();
    this.#device?.close();
    this.#device = undefined;
    this.#bufferSeconds = bufferSeconds;
    this.#context = this.#open(bufferSeconds);
  }

  /** The picture as the encoder takes it: as it is where that is possible. */
  #fitted(picture: Frame): Frame {
    const { inputs, matrices } = this.#settings;
    const format = picture.format as AVPixelFormat;
    if (!inputs.includes(format) || !matrices.includes(this.#parameters.matrix))
      return this.#convert(picture);
    if (format !== this.#format) {
      // An encoder is opened for one format; the source tells its own with the first picture.
      this.#format = format;
      this.#reopen();
    }
    return picture;
  }

  #freeConverter(): void {
    this.#converter?.scaler.freeContext();
    this.#converter?.picture.free();
    this.#converter = undefined;
  }

  /** Opens the encoder with the first variant of its settings that it takes. */
  #open(bufferSeconds = VBV_SECONDS): CodecContext {
    const { device, variants = [{}] } = this.#settings;
    if (device) this.#device = new HardwareDevice(device, this.#devicePath, this.#format, this.#parameters);
    let refusal: unknown;
    for (const variant of variants) {
      try {
        return this.#openVariant(variant, bufferSeconds);
      } catch (error) {
        refusal ??= error;
      }
    }
    this.#device?.close();
    this.#device = undefined;
    throw refusal;
  }

  #openVariant(variant: EncoderOptions, bufferSeconds: number): CodecContext {
    const { width, height, frameRate, matrix } = this.#parameters;
    const codec = Codec.findEncoderByName(this.name as EncoderName & FFVideoEncoder);
    if (!codec) throw new Error(`FFmpeg was built without ${this.name}`);
    const context = new CodecContext();
    context.allocContext3(codec);
    context.width = width;
    context.height = height;
    context.pixelFormat = this.#settings.device?.surface ?? this.#format;
    context.timeBase = new Rational(1, MICROSECONDS_PER_SECOND);
    context.framerate = new Rational(frameRate, 1);
    context.gopSize = GOP_FRAMES;
    context.maxBFrames = 0;
    context.colorRange = AVCOL_RANGE_MPEG;
    context.colorSpace = matrix === 'bt601' ? AVCOL_SPC_SMPTE170M : AVCOL_SPC_BT709;
    context.colorPrimaries = AVCOL_PRI_BT709;
    context.colorTrc = AVCOL_TRC_BT709;
    context.chromaLocation = AVCHROMA_LOC_LEFT;
    context.threadCount = encoderThreads(this.#parameters, this.#settings);
    this.#applyBitrate(context, bufferSeconds);
    this.#device?.attachTo(context);
    try {
      for (const [name, value] of Object.entries({ ...this.#settings.options, ...variant, ...this.#gpu() })) {
        FFmpegError.throwIfError(context.setOption(name, value), `set ${name} of ${this.name}`);
      }
      const { takesRealTimePolicy = false } = this.#settings;
      // Beforehand as well: an encoder whose threads cannot be put back is not opened.
      if (takesRealTimePolicy) checkLeavingRealTimePolicy();
      const opened = context.open2Sync(codec, null);
      if (takesRealTimePolicy) leaveRealTimePolicy();
      FFmpegError.throwIfError(opened, `open ${this.name}`);
    } catch (error) {
      context.freeContext();
      throw error;
    }
    return context;
  }

  /** The option that selects a GPU by its number. */
  #gpu(): EncoderOptions {
    const { deviceOption } = this.#settings;
    return deviceOption === undefined || !/^\d+$/.test(this.#devicePath ?? '')
      ? {}
      : { [deviceOption]: Number(this.#devicePath) };
  }

  #applyBitrate(context: CodecContext, bufferSeconds = VBV_SECONDS): void {
    context.bitRate = BigInt(this.#bitrateBps);
    context.rcMaxRate = BigInt(this.#bitrateBps);
    // libvpx keeps a constant bit rate only when all three are the same.
    context.rcMinRate = BigInt(this.#bitrateBps);
    context.rcBufferSize = Math.round(this.#bitrateBps * bufferSeconds);
  }

  #makeUp(captureTimeUs: number, keyframe: boolean): void {
    const elapsedUs = captureTimeUs - (this.#lastCaptureTimeUs ?? captureTimeUs);
    this.#lastCaptureTimeUs = captureTimeUs;
    const intervals = (elapsedUs * this.#parameters.frameRate) / MICROSECONDS_PER_SECOND;
    if (this.#settings.dynamicBitrate) this.#refillBuffer(intervals);
    else if (keyframe) this.#reopenForKeyframe(intervals >= PAUSE_INTERVALS);
  }

  /** A keyframe of a still page must look like it, and the buffer is only full at the start. The larger buffer is for that one alone. */
  #reopenForKeyframe(isAfterPause: boolean): void {
    if (isAfterPause) this.#reopen(VBV_SECONDS_AFTER_PAUSE);
    else if (this.#bufferSeconds !== VBV_SECONDS) this.#reopen();
  }

  /**
   * x264 refills its buffer by one frame interval per picture, however long that took: with the option that makes it read the
   * times (`force-cfr=0`) it holds each picture back until the next. So its rate is that of the time that has passed.
   */
  #refillBuffer(intervals: number): void {
    const { frameRate } = this.#parameters;
    const bufferSeconds = intervals < PAUSE_INTERVALS ? VBV_SECONDS : VBV_SECONDS_AFTER_PAUSE;
    const maxIntervals = Math.max(1, bufferSeconds * frameRate * MAX_REFILL_SHARE);
    const refill = intervals < LONG_INTERVALS ? 1 : Math.min(intervals, maxIntervals);
    this.#context.rcBufferSize = Math.round(this.#bitrateBps * bufferSeconds);
    this.#context.bitRate = BigInt(Math.round(this.#bitrateBps * refill));
    this.#context.rcMaxRate = this.#context.bitRate;
  }

  #convert(picture: Frame): Frame {
    if (!this.#converter) {
      const scaler = new SoftwareScaleContext();
      scaler.allocContext();
      const target = new Frame();
      target.alloc();
      target.width = this.#parameters.width;
      target.height = this.#parameters.height;
      target.format = this.#settings.inputs[0] ?? AV_PIX_FMT_YUV420P;
      FFmpegError.throwIfError(target.getBuffer(0), 'allocate a picture');
      this.#converter = { scaler, picture: target };
    }
    const { scaler, picture: target } = this.#converter;
    target.copyProps(picture);
    // A codec that cannot signal a matrix is taken for BT.601.
    if (!this.#settings.matrices.includes(this.#parameters.matrix)) target.colorSpace = AVCOL_SPC_SMPTE170M;
    FFmpegError.throwIfError(scaler.scaleFrameSync(target, picture), 'convert a picture');
    return target;
  }
}
