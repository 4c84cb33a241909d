import { BitReader } from './bit-reader.js';
import { withoutEmulationPrevention } from './emulation-prevention.js';
import type { PictureSize } from './h264-picture-size.js';

/** general_profile_space to general_level_idc (ITU-T H.265 section 7.3.3). */
const PROFILE_BITS = 88;
const LEVEL_BITS = 8;

/**
 * Reads the picture's size from a sequence parameter set (ITU-T H.265 section 7.3.2.2.1).
 *
 * @param nal - the NAL unit with its header of two bytes and without start code.
 * @returns undefined for one that is cut off or makes no sense.
 */
export function h265PictureSize(nal: Buffer): PictureSize | undefined {
  const bits = new BitReader(withoutEmulationPrevention(nal));
  bits.skip(16 + 4);
  const subLayers = bits.read(3);
  bits.skip(1);
  skipProfileTierLevel(bits, subLayers);
  bits.readUe();
  const chromaFormat = bits.readUe();
  if (chromaFormat === 3) bits.skip(1);
  const codedWidth = bits.readUe();
  const codedHeight = bits.readUe();
  const cropped = bits.read(1) === 1;
  const [left = 0, right = 0, top = 0, bottom = 0] = cropped
    ? [bits.readUe(), bits.readUe(), bits.readUe(), bits.readUe()]
    : [];
  // Table 6-1: units of the conformance window are chroma samples.
  const unitX = chromaFormat === 1 || chromaFormat === 2 ? 2 : 1;
  const unitY = chromaFormat === 1 ? 2 : 1;
  const width = codedWidth - (left + right) * unitX;
  const height = codedHeight - (top + bottom) * unitY;
  return bits.overread || width <= 0 || height <= 0 || width > 16_384 || height > 16_384
    ? undefined
    : { width, height };
}

function skipProfileTierLevel(bits: BitReader, subLayers: number): void {
  bits.skip(PROFILE_BITS + LEVEL_BITS);
  const present = Array.from({ length: subLayers }, () => ({ profile: bits.read(1), level: bits.read(1) }));
  // Two bits for each of up to eight, where there is one at all.
  if (subLayers > 0) bits.skip(2 * (8 - subLayers));
  for (const { profile, level } of present) bits.skip(profile * PROFILE_BITS + level * LEVEL_BITS);
}
