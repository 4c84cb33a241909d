/** Packets follow each other without a gap unless the timeline says otherwise by more than this. */
const GAP_US = 30_000;

/**
 * When the sound in each packet was played in the page, monotonic µs: one packet after the other, as long as that is true within
 * {@link GAP_US}. So a page whose clock of sound goes wrong by any rate is followed in steps, and never further behind or ahead.
 */
export class PacketTimes {
  readonly #packetUs: number;
  #nextUs: number | undefined;

  /** @param packetUs - how long a packet is. */
  constructor(packetUs: number) {
    this.#packetUs = packetUs;
  }

  /**
   * Whether sound goes on where the last packet ended. Where it does not, the next packet begins anew.
   * @param expectedUs - when what comes next was played, by the timeline.
   */
  follows(expectedUs: number): boolean {
    if (this.#nextUs === undefined || Math.abs(expectedUs - this.#nextUs) <= GAP_US) return true;
    this.#nextUs = undefined;
    return false;
  }

  /** @returns when the next packet begins. */
  next(expectedUs: number): number {
    const atUs = this.#nextUs ?? expectedUs;
    this.#nextUs = atUs + this.#packetUs;
    return atUs;
  }

  /** What follows does not go on from what was. */
  reset(): void {
    this.#nextUs = undefined;
  }
}
