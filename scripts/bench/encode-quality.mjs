// Raw pictures into FFmpeg's frames, compressed ones back into luma, and how alike two pictures are.
import * as constants from 'node-av/constants';
import { Codec, CodecContext, Frame, Packet } from 'node-av/lib';

export function frameOf({ width, height }) {
  const picture = new Frame();
  picture.alloc();
  picture.width = width;
  picture.height = height;
  picture.format = constants.AV_PIX_FMT_YUV420P;
  picture.colorRange = constants.AVCOL_RANGE_MPEG;
  picture.colorSpace = constants.AVCOL_SPC_SMPTE170M;
  picture.getBuffer(1);
  return {
    picture,
    /** @param bytes - tightly packed I420. */
    load(bytes) {
      picture.makeWritable();
      let at = 0;
      for (const [index, plane] of picture.data.slice(0, 3).entries()) {
        const length = index === 0 ? width * height : (width * height) / 4;
        plane.set(bytes.subarray(at, at + length));
        at += length;
      }
    },
    free: () => picture.free(),
  };
}

const DECODERS = {
  h264: constants.AV_CODEC_ID_H264,
  vp8: constants.AV_CODEC_ID_VP8,
  vp9: constants.AV_CODEC_ID_VP9,
  av1: constants.AV_CODEC_ID_AV1,
  h265: constants.AV_CODEC_ID_HEVC,
};

/** The luma of each decoded picture, without padding; undefined where none came out. */
export function decodedLuma(codec, compressed, { width, height }) {
  const decoder = Codec.findDecoder(DECODERS[codec]);
  const context = new CodecContext();
  context.allocContext3(decoder);
  context.threadCount = 1;
  context.setOption('flags', '+low_delay');
  context.open2Sync(decoder, null);
  const packet = new Packet();
  packet.alloc();
  const frame = new Frame();
  frame.alloc();
  const pictures = compressed.map((bytes) => {
    if (!bytes) return undefined;
    packet.data = Buffer.from(bytes);
    context.sendPacketSync(packet);
    packet.unref();
    if (context.receiveFrameSync(frame) < 0) return undefined;
    const luma = new Uint8Array(width * height);
    const stride = frame.linesize[0];
    const [plane] = frame.data;
    for (let row = 0; row < height; row++) {
      luma.set(plane.subarray(row * stride, row * stride + width), row * width);
    }
    return luma;
  });
  context.freeContext();
  packet.free();
  frame.free();
  return pictures;
}

/** Structural similarity of luma (Wang et al. 2004), mean over windows of 8 x 8 that do not overlap. */
export function ssim(a, b, { width, height }) {
  const c1 = (0.01 * 255) ** 2;
  const c2 = (0.03 * 255) ** 2;
  let sum = 0;
  let windows = 0;
  for (let y = 0; y + 8 <= height; y += 8) {
    for (let x = 0; x + 8 <= width; x += 8) {
      let sa = 0;
      let sb = 0;
      let saa = 0;
      let sbb = 0;
      let sab = 0;
      for (let row = 0; row < 8; row++) {
        const start = (y + row) * width + x;
        for (let at = start; at < start + 8; at++) {
          const va = a[at];
          const vb = b[at];
          sa += va;
          sb += vb;
          saa += va * va;
          sbb += vb * vb;
          sab += va * vb;
        }
      }
      const ma = sa / 64;
      const mb = sb / 64;
      const varA = saa / 64 - ma * ma;
      const varB = sbb / 64 - mb * mb;
      const cov = sab / 64 - ma * mb;
      sum += ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma * ma + mb * mb + c1) * (varA + varB + c2));
      windows++;
    }
  }
  return sum / windows;
}
