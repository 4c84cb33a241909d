/**
 * Arithmetic on the 16-bit sequence numbers of RTP (RFC 3550 section 5.1). All of it is here, because every place
 * that compares them with `<` works until the number wraps.
 */
const MODULUS = 0x1_0000;
const HALF = 0x8000;

export function addSequence(sequenceNumber: number, count: number): number {
  return (((sequenceNumber + count) % MODULUS) + MODULUS) % MODULUS;
}

/** Signed distance from `from` to `to`, −32768 to 32767: negative where `to` is older. */
export function sequenceDistance(from: number, to: number): number {
  const forward = addSequence(to, -from);
  return forward >= HALF ? forward - MODULUS : forward;
}

/**
 * The full count of a packet whose 16-bit number is `sequenceNumber`, given that it lies within half the number
 * space of `nearCount`, a full count.
 */
export function unwrapSequence(sequenceNumber: number, nearCount: number): number {
  return nearCount + sequenceDistance(addSequence(nearCount, 0), sequenceNumber);
}
