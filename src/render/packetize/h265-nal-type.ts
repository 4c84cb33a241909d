import { AnnexBScanner } from './annex-b.js';

// ITU-T H.265 table 7-1.
export const VIDEO_PARAMETER_SET = 32;
export const SEQUENCE_PARAMETER_SET = 33;
export const PICTURE_PARAMETER_SET = 34;
export const ACCESS_UNIT_DELIMITER = 35;
export const FILLER_DATA = 38;
/** Slices of pictures that depend on no other (IRAP). */
const FIRST_IRAP = 16;
const LAST_IRAP = 23;

/** `nal_unit_type`, by the first byte of a NAL unit (ITU-T H.265 section 7.3.1.2). */
export function h265NalType(firstByte: number): number {
  return (firstByte >> 1) & 0x3f;
}

/** Whether an access unit in Annex B is a picture that decoding can begin with. */
export function isH265Keyframe(accessUnit: Buffer): boolean {
  const nals = new AnnexBScanner();
  const count = nals.scan(accessUnit);
  return nals.starts.subarray(0, count).some((start) => {
    const type = h265NalType(accessUnit[start] ?? 0);
    return type >= FIRST_IRAP && type <= LAST_IRAP;
  });
}
