/** The bytes of a keyframe's uncompressed header up to its size, in profile 0. */
const SIZE_END = 9;
/** Of the first byte: frame_marker, both bits of the profile, show_existing_frame, frame_type. */
const KEYFRAME_MASK = 0b1111_1100;
const KEYFRAME_OF_PROFILE_0 = 0b1000_0000;
const SYNC_CODE = 0x49_83_42;

/** Whether it is a keyframe of profile 0 (VP9 bitstream specification section 6.2). */
export function isVp9Keyframe(frame: Uint8Array): boolean {
  return ((frame[0] ?? 0) & KEYFRAME_MASK) === KEYFRAME_OF_PROFILE_0;
}

/**
 * Reads the size of a keyframe of profile 0, which is what our encoders give (sections 6.2 to 6.2.3). Before the size come
 * the first byte, the sync code of 24 bits, color_space of 3 bits and color_range, so that it begins in mid-byte.
 *
 * @returns pixels; undefined for what is no such keyframe.
 */
export function vp9PictureSize(
  frame: Uint8Array,
): { readonly width: number; readonly height: number } | undefined {
  if (frame.length < SIZE_END || !isVp9Keyframe(frame)) return undefined;
  const header = Buffer.from(frame.buffer, frame.byteOffset, SIZE_END);
  if (header.readUIntBE(1, 3) !== SYNC_CODE) return undefined;
  return {
    width: ((header.readUIntBE(4, 3) >> 4) & 0xffff) + 1,
    height: ((header.readUIntBE(6, 3) >> 4) & 0xffff) + 1,
  };
}
