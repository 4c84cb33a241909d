import { availableParallelism } from 'node:os';

import {
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_NV12,
  AV_PIX_FMT_YUV420P,
  AVCHROMA_LOC_LEFT,
  AVCOL_PRI_BT709,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_SMPTE170M,
  AVCOL_TRC_BT709,
  AVERROR_EAGAIN,
  FF_ENCODER_LIBVPX_VP8,
  FF_ENCODER_LIBX264,
  type AVPixelFormat,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Packet, Rational, SoftwareScaleContext } from 'node-av/lib';

import type { ColourMatrix } from '../capture/video-frame.js';
import type { VideoCodec } from './encoded-frame.js';
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
const VBV_SECONDS = 0.5;
/** A picture is cut into slices, one a thread, from this many pixels a second on: their wait for each other costs. */
const PIXELS_PER_SECOND_PER_THREAD = 1280 * 720 * 30;

interface CodecSettings {
  readonly encoder: typeof FF_ENCODER_LIBX264 | typeof FF_ENCODER_LIBVPX_VP8;
  readonly options: Readonly<Record<string, string | number>>;
  /** Pixel formats that the encoder takes as they are. */
  readonly inputs: readonly AVPixelFormat[];
  /** Matrices that the codec can signal. */
  readonly matrices: readonly ColourMatrix[];
  /** Whether FFmpeg hands a changed bit rate on to the running encoder. */
  readonly dynamicBitrate: boolean;
}

const SETTINGS: Readonly<Record<VideoCodec, CodecSettings>> = {
  h264: {
    encoder: FF_ENCODER_LIBX264,
    options: {
      // On two cores without a GPU, 720p: 8 ms from raw picture to packet at the median against 12 ms of superfast.
      preset: 'ultrafast',
      tune: 'zerolatency',
      // x264 clears the tools that constrained baseline lacks, and signals it (constraint_set1).
      profile: 'baseline',
      'forced-idr': 1,
      // A scene cut would put a keyframe where nobody asked for one.
      'x264-params': 'scenecut=0',
    },
    inputs: [AV_PIX_FMT_YUV420P, AV_PIX_FMT_NV12],
    matrices: ['bt601', 'bt709'],
    dynamicBitrate: true,
  },
  vp8: {
    encoder: FF_ENCODER_LIBVPX_VP8,
    options: {
      deadline: 'realtime',
      'cpu-used': -8,
      'lag-in-frames': 0,
      'auto-alt-ref': 0,
      'static-thresh': 1,
      'undershoot-pct': 100,
      'overshoot-pct': 15,
      qmin: 4,
      qmax: 56,
    },
    inputs: [AV_PIX_FMT_YUV420P],
    // RFC 6386 section 9.2 knows BT.601 alone.
    matrices: ['bt601'],
    dynamicBitrate: false,
  },
};

/** libx264 or libvpx through FFmpeg's libraries, in this process. */
export class LibavVideoEncoder implements VideoEncoder {
  readonly codec: VideoCodec;
  readonly name: string;
  #parameters: VideoEncoderParameters;
  readonly #listener: VideoEncoderListener;
  readonly #settings: CodecSettings;
  readonly #packet = new Packet();
  #context: CodecContext;
  #bitrateBps: number;
  #converter: { scaler: SoftwareScaleContext; picture: Frame } | undefined;
  #closed = false;

  /** @throws Error when FFmpeg was built without the encoder or refuses its settings. */
  constructor(parameters: VideoEncoderParameters, listener: VideoEncoderListener) {
    this.codec = parameters.codec;
    this.#listener = listener;
    this.#parameters = parameters;
    this.#settings = SETTINGS[parameters.codec];
    this.name = this.#settings.encoder;
    this.#bitrateBps = parameters.bitrateBps;
    this.#packet.alloc();
    this.#context = this.#open();
  }

  encode(picture: Frame, times: PictureTimes, keyframe: boolean): void {
    const { inputs, matrices } = this.#settings;
    const fits =
      inputs.includes(picture.format as AVPixelFormat) && matrices.includes(this.#parameters.matrix);
    const input = fits ? picture : this.#convert(picture);
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
    this.#packet.free();
    this.#freeConverter();
  }

  #reopen(): void {
    this.#context.freeContext();
    this.#context = this.#open();
  }

  #freeConverter(): void {
    this.#converter?.scaler.freeContext();
    this.#converter?.picture.free();
    this.#converter = undefined;
  }

  #open(): CodecContext {
    const { width, height, frameRate, matrix } = this.#parameters;
    const codec = Codec.findEncoderByName(this.#settings.encoder);
    if (!codec) throw new Error(`FFmpeg was built without ${this.#settings.encoder}.`);
    const context = new CodecContext();
    context.allocContext3(codec);
    context.width = width;
    context.height = height;
    const [format = AV_PIX_FMT_YUV420P] = this.#settings.inputs;
    context.pixelFormat = format;
    context.timeBase = new Rational(1, MICROSECONDS_PER_SECOND);
    context.framerate = new Rational(frameRate, 1);
    context.gopSize = GOP_FRAMES;
    context.maxBFrames = 0;
    context.colorRange = AVCOL_RANGE_MPEG;
    context.colorSpace = matrix === 'bt601' ? AVCOL_SPC_SMPTE170M : AVCOL_SPC_BT709;
    context.colorPrimaries = AVCOL_PRI_BT709;
    context.colorTrc = AVCOL_TRC_BT709;
    context.chromaLocation = AVCHROMA_LOC_LEFT;
    const threads = Math.ceil((width * height * frameRate) / PIXELS_PER_SECOND_PER_THREAD);
    context.threadCount = Math.max(1, Math.min(threads, availableParallelism(), 8));
    this.#applyBitrate(context);
    for (const [name, value] of Object.entries(this.#settings.options)) {
      FFmpegError.throwIfError(context.setOption(name, value), `set ${name} of ${this.#settings.encoder}`);
    }
    const opened = context.open2Sync(codec, null);
    if (opened < 0) {
      context.freeContext();
      FFmpegError.throwIfError(opened, `open ${this.#settings.encoder}`);
    }
    return context;
  }

  #applyBitrate(context: CodecContext): void {
    context.bitRate = BigInt(this.#bitrateBps);
    context.rcMaxRate = BigInt(this.#bitrateBps);
    context.rcBufferSize = Math.round(this.#bitrateBps * VBV_SECONDS);
  }

  #convert(picture: Frame): Frame {
    if (!this.#converter) {
      const scaler = new SoftwareScaleContext();
      scaler.allocContext();
      const target = new Frame();
      target.alloc();
      target.width = this.#parameters.width;
      target.height = this.#parameters.height;
      target.format = AV_PIX_FMT_YUV420P;
      FFmpegError.throwIfError(target.getBuffer(0), 'allocate a picture');
      this.#converter = { scaler, picture: target };
    }
    const { scaler, picture: target } = this.#converter;
    target.copyProps(picture);
    target.colorSpace = AVCOL_SPC_SMPTE170M;
    FFmpegError.throwIfError(scaler.scaleFrameSync(target, picture), 'convert a picture');
    return target;
  }
}
