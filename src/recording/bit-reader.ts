/** Reads bits from the highest down; beyond the end it reads zeros and says so. */
export class BitReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get overread(): boolean {
    return this.#position > this.#bytes.length * 8;
  }

  skip(count: number): void {
    this.#position += count;
  }

  read(count: number): number {
    let value = 0;
    for (let index = 0; index < count; index++) {
      const byte = this.#bytes[this.#position >> 3] ?? 0;
      value = value * 2 + ((byte >> (7 - (this.#position & 7))) & 1);
      this.#position++;
    }
    return value;
  }

  /** Exp-Golomb, unsigned (ITU-T H.264 section 9.1; uvlc in AV1). */
  readUe(): number {
    let zeros = 0;
    while (!this.overread && zeros < 32 && this.read(1) === 0) zeros++;
    return 2 ** zeros - 1 + this.read(zeros);
  }

  readSe(): number {
    const code = this.readUe();
    return code % 2 === 0 ? -code / 2 : (code + 1) / 2;
  }
}
