import type { AVPixelFormat } from 'node-av/constants';
import {
  Dictionary,
  FFmpegError,
  Frame,
  HardwareDeviceContext,
  HardwareFramesContext,
  type CodecContext,
} from 'node-av/lib';

import type { EncoderDevice } from './libav-encoder-settings.js';

/** One picture is under way at a time; some drivers keep a reference or two besides. */
const SURFACES = 8;

/** A device that encodes, and where it needs them the surfaces from which it takes its pictures. */
export class HardwareDevice {
  readonly #device = new HardwareDeviceContext();
  readonly #surfaces: { readonly pool: HardwareFramesContext; readonly current: Frame } | undefined;

  /**
   * @param path - a render node, for example `/dev/dri/renderD128`; undefined: the first.
   * @param format - of the pictures to come.
   * @throws Error with FFmpeg's reason when there is no such device, or it has no such surfaces.
   */
  constructor(
    { type, pathOption, surface }: EncoderDevice,
    path: string | undefined,
    format: AVPixelFormat,
    size: { readonly width: number; readonly height: number },
  ) {
    const typeName = HardwareDeviceContext.getTypeName(type) ?? 'hardware';
    const options =
      path === undefined || pathOption === undefined ? null : Dictionary.fromObject({ [pathOption]: path });
    try {
      const name = pathOption === undefined ? (path ?? null) : null;
      FFmpegError.throwIfError(this.#device.create(type, name, options), `open a ${typeName} device`);
      if (surface === undefined) return;
      const pool = new HardwareFramesContext();
      const current = new Frame();
      this.#surfaces = { pool, current };
      current.alloc();
      pool.alloc(this.#device);
      pool.format = surface;
      pool.swFormat = format;
      pool.width = size.width;
      pool.height = size.height;
      pool.initialPoolSize = SURFACES;
      FFmpegError.throwIfError(pool.init(), `make ${typeName} surfaces`);
    } catch (error) {
      this.close();
      throw error;
    } finally {
      options?.free();
    }
  }

  /** Before the codec is opened. */
  attachTo(context: CodecContext): void {
    if (this.#surfaces) context.hwFramesCtx = this.#surfaces.pool;
    else context.hwDeviceCtx = this.#device;
  }

  /** @returns the picture where the encoder takes it from, valid until the next call. */
  upload(picture: Frame): Frame {
    if (!this.#surfaces) return picture;
    const { pool, current } = this.#surfaces;
    current.unref();
    FFmpegError.throwIfError(pool.getBuffer(current), 'take a surface');
    FFmpegError.throwIfError(pool.transferDataSync(current, picture), 'upload a picture');
    FFmpegError.throwIfError(current.copyProps(picture), 'upload a picture');
    return current;
  }

  /** Once; the codec context must be gone before. */
  close(): void {
    this.#surfaces?.current.free();
    this.#surfaces?.pool.free();
    this.#device.free();
  }
}
