import {
  AV_CODEC_ID_AV1,
  AV_CODEC_ID_H264,
  AV_CODEC_ID_HEVC,
  AV_CODEC_ID_VP8,
  AV_CODEC_ID_VP9,
  AV_PIX_FMT_NV12,
  AV_PIX_FMT_YUV420P,
  AVERROR_EAGAIN,
  type AVCodecID,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Packet } from 'node-av/lib';

import type { VideoCodec } from '../../src/protocol/video-codecs.js';
import { seededRandom } from '../helpers/seeded-random.js';

/** Raw pictures of one colour and a texture that moves. */
export class PictureSource {
  readonly #frame = new Frame();
  readonly #texture: Uint8Array;
  readonly #width: number;
  readonly #height: number;

  constructor(width: number, height: number, format: 'i420' | 'nv12' = 'i420') {
    this.#width = width;
    this.#height = height;
    const random = seededRandom(1);
    this.#texture = Uint8Array.from({ length: width * 2 }, () => 60 + Math.floor(random() * 100));
    const frame = this.#frame;
    frame.alloc();
    frame.width = width;
    frame.height = height;
    frame.format = format === 'i420' ? AV_PIX_FMT_YUV420P : AV_PIX_FMT_NV12;
    FFmpegError.throwIfError(frame.getBuffer(1), 'allocate a picture');
  }

  /** The picture of this number; valid until the next one is asked for. */
  picture(index: number): Frame {
    const planes = this.#frame.data ?? [];
    const [luma] = planes;
    FFmpegError.throwIfError(this.#frame.makeWritable(), 'write a picture');
    if (luma) {
      for (let row = 0; row < this.#height; row++) {
        // Rows that go their own ways are hard to predict: the rate control has something to do.
        const shift = (index * (1 + (row % 7)) + row * row) % this.#width;
        luma.set(this.#texture.subarray(shift, shift + this.#width), row * this.#width);
      }
    }
    // A colour that is told from a swapped or shifted one.
    if (planes.length === 2) {
      planes[1]?.forEach((_, at, plane) => (plane[at] = at % 2 === 0 ? 90 : 160));
    } else {
      planes[1]?.fill(90);
      planes[2]?.fill(160);
    }
    return this.#frame;
  }

  close(): void {
    this.#frame.free();
  }
}

const CODEC_IDS: Readonly<Record<VideoCodec, AVCodecID>> = {
  h264: AV_CODEC_ID_H264,
  vp8: AV_CODEC_ID_VP8,
  vp9: AV_CODEC_ID_VP9,
  av1: AV_CODEC_ID_AV1,
  h265: AV_CODEC_ID_HEVC,
};

/** What a decoder makes of a compressed picture. */
export interface DecodedPicture {
  readonly width: number;
  readonly height: number;
  /** Means of the three planes. */
  readonly means: readonly number[];
  /** Luma without padding. */
  readonly luma: Uint8Array;
}

/** FFmpeg's own decoder: what it cannot decode without the pictures before is an error. */
export class PictureDecoder {
  readonly #context = new CodecContext();
  readonly #packet = new Packet();
  readonly #frame = new Frame();

  constructor(codecName: VideoCodec) {
    const codec = Codec.findDecoder(CODEC_IDS[codecName]);
    if (!codec) throw new Error(`There is no decoder for ${codecName}.`);
    this.#context.allocContext3(codec);
    this.#context.threadCount = 1;
    this.#context.setOption('flags', '+low_delay');
    this.#context.setOption('err_detect', 'explode');
    FFmpegError.throwIfError(this.#context.open2Sync(codec, null), 'open the decoder');
    this.#packet.alloc();
    this.#frame.alloc();
  }

  /** @returns undefined when no picture came out of it. */
  decode(bytes: Uint8Array): DecodedPicture | undefined {
    this.#packet.data = Buffer.from(bytes);
    FFmpegError.throwIfError(this.#context.sendPacketSync(this.#packet), 'decode a picture');
    this.#packet.unref();
    const received = this.#context.receiveFrameSync(this.#frame);
    if (received === AVERROR_EAGAIN) return undefined;
    FFmpegError.throwIfError(received, 'decode a picture');
    const { width, height } = this.#frame;
    const means = (this.#frame.data ?? []).slice(0, 3).map((plane, index) => {
      const [columns, rows] = index === 0 ? [width, height] : [width / 2, height / 2];
      const stride = this.#frame.linesize[index] ?? columns;
      let sum = 0;
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) sum += plane[row * stride + column] ?? 0;
      }
      return sum / (columns * rows);
    });
    return { width, height, means, luma: this.#luma(width, height) };
  }

  #luma(width: number, height: number): Uint8Array {
    const luma = new Uint8Array(width * height);
    const [plane] = this.#frame.data ?? [];
    const stride = this.#frame.linesize[0] ?? width;
    for (let row = 0; plane && row < height; row++) {
      luma.set(plane.subarray(row * stride, row * stride + width), row * width);
    }
    return luma;
  }

  close(): void {
    this.#context.freeContext();
    this.#packet.free();
    this.#frame.free();
  }
}
