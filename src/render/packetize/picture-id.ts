import { randomInt } from 'node:crypto';

const LONG_BIT = 0x8000;
const MODULUS = 0x8000;

/** The picture id of 15 bits that a stream of VP8 (RFC 7741 section 4.2) or VP9 (RFC 9628 section 4.2) counts its frames by. */
export class PictureId {
  #value: number;

  /** @param first - random by default, as both RFCs advise. */
  constructor(first: number = randomInt(MODULUS)) {
    this.#value = first % MODULUS;
  }

  /** As it is written, in two bytes, of which the first bit says that there are two. */
  get field(): number {
    return LONG_BIT | this.#value;
  }

  /** Goes on to that of the next frame. */
  next(): void {
    this.#value = (this.#value + 1) % MODULUS;
  }
}
