/** Counts what an encoder gives between two readings. */
export class EncoderMeter {
  #sinceUs: number;
  #frames = 0;
  #bytes = 0;

  constructor(nowUs: number) {
    this.#sinceUs = nowUs;
  }

  add(bytes: number): void {
    this.#frames++;
    this.#bytes += bytes;
  }

  /** Frames and bits a second since the last reading. */
  read(nowUs: number): { frameRate: number; bitrateBps: number } {
    const seconds = Math.max(nowUs - this.#sinceUs, 1) / 1_000_000;
    const frameRate = Math.round(this.#frames / seconds);
    const bitrateBps = Math.round((this.#bytes * 8) / seconds);
    this.#sinceUs = nowUs;
    this.#frames = 0;
    this.#bytes = 0;
    return { frameRate, bitrateBps };
  }
}
