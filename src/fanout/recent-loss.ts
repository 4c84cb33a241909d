import type { ReportBlock } from './rtcp-parser.js';

interface LossCount {
  readonly highestSequence: number;
  readonly packetsLost: number;
  readonly atUs: number;
}

const WINDOW_US = 1_000_000;

/**
 * What a viewer's reports say of the last one to two seconds. The share in a single report says little: browsers send one with
 * each NACK as well, and of the twenty packets since the one before, a single packet that is late makes 5 %. The native plane
 * has the same rule.
 */
export class RecentLoss {
  /** What is counted from, and what is to be counted from next. */
  #base: LossCount | undefined;
  #next: LossCount | undefined;
  #last: LossCount | undefined;

  onReport(
    { highestSequence, packetsLost }: Pick<ReportBlock, 'highestSequence' | 'packetsLost'>,
    nowUs: number,
  ): void {
    this.#last = { highestSequence, packetsLost, atUs: nowUs };
    if (this.#next === undefined) this.forget();
    else if (nowUs - this.#next.atUs >= WINDOW_US) {
      this.#base = this.#next;
      this.#next = this.#last;
    }
  }

  /** What was lost until now does not count. */
  forget(): void {
    this.#base = this.#next = this.#last;
  }

  /** Whether more than `share`, 0 to 1, is lost, beyond what may be chance: two standard deviations, and one packet. */
  exceeds(share: number): boolean {
    if (this.#last === undefined || this.#base === undefined) return false;
    const packets = (this.#last.highestSequence - this.#base.highestSequence) | 0;
    if (packets <= 0) return false;
    const lost = Math.min(this.#last.packetsLost - this.#base.packetsLost, packets);
    const expected = share * packets;
    return lost > 1 && lost >= expected + 2 * Math.sqrt(expected);
  }
}
