import { BitReader } from './bit-reader.js';
import { withoutEmulationPrevention } from './emulation-prevention.js';

/** profile_idc values whose parameter sets describe the chroma (ITU-T H.264 section 7.3.2.1.1). */
const PROFILES_WITH_CHROMA: readonly number[] = [
  100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135,
];

export interface PictureSize {
  /** Pixels, cropping taken off. */
  readonly width: number;
  readonly height: number;
}

/**
 * Reads the picture's size from a sequence parameter set (ITU-T H.264 section 7.3.2.1.1).
 *
 * @param nal - the NAL unit with its header byte and without start code.
 * @returns undefined for one that is cut off or makes no sense.
 */
export function h264PictureSize(nal: Buffer): PictureSize | undefined {
  const bits = new BitReader(withoutEmulationPrevention(nal));
  bits.skip(8);
  const profile = bits.read(8);
  bits.skip(16);
  bits.readUe();
  let chromaFormat = 1;
  if (PROFILES_WITH_CHROMA.includes(profile)) {
    chromaFormat = bits.readUe();
    if (chromaFormat === 3) bits.skip(1);
    bits.readUe();
    bits.readUe();
    bits.skip(1);
    if (bits.read(1) === 1) skipScalingLists(bits, chromaFormat === 3 ? 12 : 8);
  }
  bits.readUe();
  skipPictureOrder(bits);
  bits.readUe();
  bits.skip(1);
  const widthInMacroblocks = bits.readUe() + 1;
  const heightInMapUnits = bits.readUe() + 1;
  const frameMbsOnly = bits.read(1);
  if (frameMbsOnly === 0) bits.skip(1);
  bits.skip(1);
  const cropped = bits.read(1) === 1;
  const [left = 0, right = 0, top = 0, bottom = 0] = cropped
    ? [bits.readUe(), bits.readUe(), bits.readUe(), bits.readUe()]
    : [];
  // Crop units of table 6-1: chroma samples, and pairs of lines where there are fields.
  const unitX = chromaFormat === 1 || chromaFormat === 2 ? 2 : 1;
  const unitY = (chromaFormat === 1 ? 2 : 1) * (2 - frameMbsOnly);
  const width = widthInMacroblocks * 16 - (left + right) * unitX;
  const height = heightInMapUnits * 16 * (2 - frameMbsOnly) - (top + bottom) * unitY;
  return bits.overread || width <= 0 || height <= 0 || width > 16_384 || height > 16_384
    ? undefined
    : { width, height };
}

function skipPictureOrder(bits: BitReader): void {
  const type = bits.readUe();
  if (type === 0) bits.readUe();
  if (type !== 1) return;
  bits.skip(1);
  bits.readUe();
  bits.readUe();
  const cycle = Math.min(bits.readUe(), 255);
  for (let index = 0; index < cycle; index++) bits.readUe();
}

/** Section 7.3.2.1.1.1. */
function skipScalingLists(bits: BitReader, count: number): void {
  for (let list = 0; list < count; list++) {
    if (bits.read(1) === 0) continue;
    let last = 8;
    let next = 8;
    for (let index = 0; index < (list < 6 ? 16 : 64); index++) {
      if (next !== 0) next = (last + bits.readSe() + 256) % 256;
      last = next === 0 ? last : next;
    }
  }
}
