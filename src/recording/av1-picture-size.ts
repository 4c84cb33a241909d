import { BitReader } from './bit-reader.js';
import type { PictureSize } from './h264-picture-size.js';

/**
 * Reads the largest size of a picture from a sequence header (AV1 bitstream specification section 5.5.1), which is that of
 * each picture as our encoders are driven.
 *
 * @param payload - of the unit, without header and size.
 * @returns undefined for one that is cut off.
 */
export function av1PictureSize(payload: Buffer): PictureSize | undefined {
  const bits = new BitReader(payload);
  // seq_profile, still_picture.
  bits.skip(4);
  const isReduced = bits.read(1) === 1;
  if (isReduced) bits.skip(5);
  else skipOperatingPoints(bits);
  const [widthBits, heightBits] = [bits.read(4) + 1, bits.read(4) + 1];
  const size = { width: bits.read(widthBits) + 1, height: bits.read(heightBits) + 1 };
  return bits.overread ? undefined : size;
}

function skipOperatingPoints(bits: BitReader): void {
  let delayBits: number | undefined;
  if (bits.read(1) === 1) {
    // Section 5.5.3: timing_info.
    bits.skip(64);
    if (bits.read(1) === 1) bits.readUe();
    if (bits.read(1) === 1) {
      // Section 5.5.4: decoder_model_info.
      delayBits = bits.read(5) + 1;
      bits.skip(42);
    }
  }
  const hasDisplayDelay = bits.read(1) === 1;
  const points = bits.read(5) + 1;
  for (let point = 0; point < points; point++) {
    bits.skip(12);
    // Above level 3.3 there is a tier.
    if (bits.read(5) > 7) bits.skip(1);
    if (delayBits !== undefined && bits.read(1) === 1) bits.skip(2 * delayBits + 1);
    if (hasDisplayDelay && bits.read(1) === 1) bits.skip(4);
  }
}
