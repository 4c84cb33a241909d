import {
  AV_CODEC_ID_MJPEG,
  AV_CODEC_ID_PNG,
  AV_PIX_FMT_RGB24,
  AV_PIX_FMT_YUVJ420P,
  AVCOL_RANGE_JPEG,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Packet, Rational, SoftwareScaleContext } from 'node-av/lib';

import { StreamKitError } from '../../base/errors.js';
import type { PageSize } from './page-geometry.js';

/** FFmpeg's quantiser scale for the JPEG encoder: 2 is best, 31 worst. */
const JPEG_QSCALE = 3;
const LAMBDA_PER_QSCALE = 118;

function check(result: number, what: string): void {
  FFmpegError.throwIfError(result, what);
}

/**
 * Decodes a PNG, cuts it to `shown` from its top left corner, scales it to `width` with its aspect kept, and encodes it
 * again; off the event loop. All sizes in pixels.
 */
export async function resizePicture(
  png: Buffer,
  format: 'png' | 'jpeg',
  width: number,
  shown: PageSize,
): Promise<Uint8Array> {
  using decoder = new CodecContext();
  using encoder = new CodecContext();
  using compressed = new Packet();
  using packet = new Packet();
  using source = new Frame();
  using scaled = new Frame();
  using scaler = new SoftwareScaleContext();
  const pngDecoder = Codec.findDecoder(AV_CODEC_ID_PNG);
  const pictureEncoder = Codec.findEncoder(format === 'png' ? AV_CODEC_ID_PNG : AV_CODEC_ID_MJPEG);
  if (!pngDecoder || !pictureEncoder)
    throw new StreamKitError('unavailable', `No ${format} encoder is at hand`);
  compressed.alloc();
  packet.alloc();
  source.alloc();
  scaled.alloc();
  scaler.allocContext();

  decoder.allocContext3(pngDecoder);
  check(await decoder.open2(pngDecoder, null), 'open the PNG decoder');
  compressed.data = png;
  check(await decoder.sendPacket(compressed), 'decode the picture');
  check(await decoder.receiveFrame(source), 'decode the picture');

  source.width = Math.min(source.width, shown.width);
  source.height = Math.min(source.height, shown.height);
  scaled.width = width;
  scaled.height = Math.max(1, Math.round((source.height * width) / source.width));
  scaled.format = format === 'png' ? AV_PIX_FMT_RGB24 : AV_PIX_FMT_YUVJ420P;
  if (format === 'jpeg') scaled.colorRange = AVCOL_RANGE_JPEG;
  check(scaled.getBuffer(0), 'allocate the picture');
  check(await scaler.scaleFrame(scaled, source), 'scale the picture');

  encoder.allocContext3(pictureEncoder);
  encoder.width = scaled.width;
  encoder.height = scaled.height;
  encoder.pixelFormat = scaled.format;
  encoder.timeBase = new Rational(1, 1);
  if (format === 'jpeg') {
    encoder.colorRange = AVCOL_RANGE_JPEG;
    encoder.setOption('global_quality', JPEG_QSCALE * LAMBDA_PER_QSCALE);
    encoder.setOption('flags', '+qscale');
  }
  check(await encoder.open2(pictureEncoder, null), 'open the picture encoder');
  scaled.pts = 0n;
  check(await encoder.sendFrame(scaled), 'encode the picture');
  check(await encoder.receivePacket(packet), 'encode the picture');
  return Uint8Array.from(packet.data ?? []);
}
