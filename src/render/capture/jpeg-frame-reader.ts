import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';

import {
  AV_CODEC_ID_MJPEG,
  AV_PIX_FMT_YUV420P,
  AVCOL_PRI_BT709,
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT470BG,
  AVCOL_TRC_BT709,
} from 'node-av/constants';
import { Codec, CodecContext, Frame, Packet, SoftwareScaleContext } from 'node-av/lib';

import { pageGeometry } from './page-geometry.js';
import type { VideoSource } from './capture.js';
import type { ScreencastFrame } from './screencast-frame.js';
import type { VideoFrame, VideoFrameReader } from './video-frame.js';

/**
 * Decodes the JPEGs of a screencast, which JFIF makes full-range BT.601, and brings them to limited range and to the
 * size of the session; runs in the thread that encodes them.
 */
export class JpegFrameReader implements VideoFrameReader {
  readonly #port: MessagePort;
  readonly #deviceScaleFactor: number;
  /** What is to be shown of the page, as fractions of its width and height. */
  #shown = { width: 1, height: 1 };
  readonly #decoder = new CodecContext();
  readonly #scaler = new SoftwareScaleContext();
  readonly #packet = new Packet();
  readonly #decoded = new Frame();
  readonly #converted = new Frame();
  /** One picture of queue: a newer one replaces what nobody has taken yet. */
  #waiting: ScreencastFrame | undefined;
  #closed = false;

  /** @param onReady - called when there is something new to take. */
  constructor(source: Extract<VideoSource, { kind: 'jpeg' }>, onReady: () => void) {
    const { port, width, height } = source;
    this.#port = port;
    this.#deviceScaleFactor = source.deviceScaleFactor;
    const codec = Codec.findDecoder(AV_CODEC_ID_MJPEG);
    if (!codec) throw new Error('FFmpeg was built without its JPEG decoder');
    this.#decoder.allocContext3(codec);
    this.#decoder.threadCount = 1;
    if (this.#decoder.open2Sync(codec, null) < 0) throw new Error('The JPEG decoder could not be opened');
    this.#packet.alloc();
    this.#decoded.alloc();
    this.#scaler.allocContext();
    this.#converted.alloc();
    this.resize(width, height);
    port.on('message', (frame: ScreencastFrame) => {
      this.#receive(frame);
      onReady();
    });
  }

  next(): VideoFrame | undefined {
    if (this.#closed) return undefined;
    // Events come one a turn of the loop; what queued up behind this one meanwhile is newer.
    for (;;) {
      const queued: { message: ScreencastFrame } | undefined = receiveMessageOnPort(this.#port);
      if (!queued) break;
      this.#receive(queued.message);
    }
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (!waiting) return undefined;
    const { width, height } = this.#converted;
    return {
      format: 'i420',
      matrix: 'bt601',
      width,
      height,
      captureTimeUs: waiting.captureTimeUs,
      sequence: waiting.sequence,
      copyTo: (planes) => this.#decode(waiting.jpeg) && this.#copy(planes),
    };
  }

  resize(width: number, height: number): void {
    const { viewport, shown } = pageGeometry({ width, height }, this.#deviceScaleFactor);
    this.#shown = { width: shown.width / viewport.width, height: shown.height / viewport.height };
    const converted = this.#converted;
    converted.unref();
    converted.width = width;
    converted.height = height;
    converted.format = AV_PIX_FMT_YUV420P;
    converted.colorRange = AVCOL_RANGE_MPEG;
    converted.colorSpace = AVCOL_SPC_BT470BG;
    converted.colorPrimaries = AVCOL_PRI_BT709;
    converted.colorTrc = AVCOL_TRC_BT709;
    if (converted.getBuffer(0) < 0) throw new Error('There is no memory for a picture');
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#port.close();
    this.#decoder.freeContext();
    this.#scaler.freeContext();
    this.#packet.free();
    this.#decoded.free();
    this.#converted.free();
  }

  #receive(frame: ScreencastFrame): void {
    this.#waiting = frame;
    this.#port.postMessage(frame.sessionId);
  }

  #decode(jpeg: Uint8Array): boolean {
    if (this.#closed) return false;
    this.#packet.data = Buffer.from(jpeg.buffer, jpeg.byteOffset, jpeg.byteLength);
    const sent = this.#decoder.sendPacketSync(this.#packet);
    this.#packet.unref();
    if (sent < 0 || this.#decoder.receiveFrameSync(this.#decoded) < 0) return false;
    this.#decoded.colorRange = AVCOL_RANGE_JPEG;
    this.#decoded.colorSpace = AVCOL_SPC_BT470BG;
    // The JPEG says nothing of them; left unknown, a conversion of primaries would be attempted.
    this.#decoded.colorPrimaries = AVCOL_PRI_BT709;
    this.#decoded.colorTrc = AVCOL_TRC_BT709;
    this.#decoded.width = Math.round(this.#decoded.width * this.#shown.width);
    this.#decoded.height = Math.round(this.#decoded.height * this.#shown.height);
    return this.#scaler.scaleFrameSync(this.#converted, this.#decoded) >= 0;
  }

  #copy(planes: readonly Uint8Array[]): boolean {
    const sources = this.#converted.data;
    const strides = this.#converted.linesize;
    const { width, height } = this.#converted;
    for (const [index, plane] of planes.entries()) {
      const source = sources?.[index];
      const stride = strides[index];
      const rowBytes = index === 0 ? width : width / 2;
      const rows = index === 0 ? height : height / 2;
      if (!source || stride === undefined || plane.byteLength !== rowBytes * rows) return false;
      if (stride === rowBytes) {
        plane.set(source.subarray(0, plane.byteLength));
      } else {
        for (let row = 0; row < rows; row++) {
          plane.set(source.subarray(row * stride, row * stride + rowBytes), row * rowBytes);
        }
      }
    }
    return true;
  }
}
