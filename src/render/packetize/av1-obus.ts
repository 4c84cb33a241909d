/** One open bitstream unit within a temporal unit. */
export interface Av1Obu {
  readonly type: number;
  /** The header of one byte, or two with the extension, without the bit that says that a size follows. */
  readonly header: readonly number[];
  /** Where its payload is. */
  readonly start: number;
  readonly end: number;
}

// AV1 bitstream specification sections 5.3.2 and 6.2.2.
export const OBU_SEQUENCE_HEADER = 1;
export const OBU_TEMPORAL_DELIMITER = 2;
export const OBU_TILE_LIST = 8;
export const OBU_PADDING = 15;
const FORBIDDEN_BIT = 0x80;
const EXTENSION_BIT = 0x04;
const HAS_SIZE_BIT = 0x02;
/** Section 4.10.5: leb128 takes at most eight bytes, and is less than 2^32. */
const MAX_LEB128_BYTES = 8;

/**
 * The units of a temporal unit in the low-overhead format (section 5.2), as encoders give it: each has its size, but the last
 * may go without one.
 *
 * @returns undefined for what is cut off or is no such format.
 */
export function av1ObusOf(bytes: Uint8Array): readonly Av1Obu[] | undefined {
  const obus: Av1Obu[] = [];
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at++] ?? 0;
    if ((first & FORBIDDEN_BIT) !== 0) return undefined;
    const header = [first & ~HAS_SIZE_BIT];
    if ((first & EXTENSION_BIT) !== 0) {
      if (at >= bytes.length) return undefined;
      header.push(bytes[at++] ?? 0);
    }
    let length = bytes.length - at;
    if ((first & HAS_SIZE_BIT) !== 0) {
      const size = readLeb128(bytes, at);
      if (size === undefined || size.value > bytes.length - size.end) return undefined;
      length = size.value;
      at = size.end;
    }
    obus.push({ type: (first >> 3) & 0x0f, header, start: at, end: at + length });
    at += length;
  }
  return obus;
}

/** Encoders write the header of the sequence at keyframes and nowhere else. */
export function isAv1Keyframe(bytes: Uint8Array): boolean {
  return av1ObusOf(bytes)?.some(({ type }) => type === OBU_SEQUENCE_HEADER) === true;
}

function readLeb128(
  bytes: Uint8Array,
  start: number,
): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let index = 0; index < MAX_LEB128_BYTES; index++) {
    const byte = bytes[start + index];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if ((byte & 0x80) === 0) return value < 2 ** 32 ? { value, end: start + index + 1 } : undefined;
  }
  return undefined;
}
