import { RecentLoss } from './recent-loss.js';
import type { ReportBlock } from './rtcp-parser.js';

const SOME_LOSS = 0.02;
const MAX_MS = 200;
/** As the header extension has it. */
const UNIT_MS = 10;
/** Beyond the round trip: until the picture is decoded. */
const BEYOND_ROUND_TRIP_MS = 20;
/** Without losses for this long, the delay ends. */
const HOLD_US = 15_000_000;
/** A round trip that is longer than the shortest by so much waits in a queue: the link is full. */
const FULL_QUEUE_MS = 30;
/** The shortest round trip is that of the last 10 to 20 s: after a change of the route it may be longer for good. */
const SHORTEST_WINDOW_US = 10_000_000;
/** A report that was late on its way says little: of so many the shortest round trip counts. */
const ROUND_TRIPS = 4;

/**
 * How long a viewer holds its pictures back: not at all while it loses next to nothing, and otherwise until a lost packet can
 * have been sent again. The native plane has the same rule.
 */
export class PlayoutDelay {
  #ms = 0;
  #wantedUs = 0;
  /** Of the present window, and of the one before. */
  #leastRttMs = Infinity;
  #formerRttMs = Infinity;
  #windowUs = -Infinity;
  readonly #rttsMs: number[] = [];
  readonly #loss = new RecentLoss();

  /** ms; a multiple of 10, at most 200. */
  get ms(): number {
    return this.#ms;
  }

  /** @param rttMs - undefined while it is not known */
  onReport(
    block: Pick<ReportBlock, 'highestSequence' | 'packetsLost'>,
    rttMs: number | undefined,
    nowUs: number,
  ): void {
    this.#loss.onReport(block, nowUs);
    if (rttMs !== undefined) {
      this.#noteShortest(rttMs, nowUs);
      this.#rttsMs.push(rttMs);
      if (this.#rttsMs.length > ROUND_TRIPS) this.#rttsMs.shift();
    }
    const isFull = rttMs !== undefined && rttMs > this.#shortestMs + FULL_QUEUE_MS;
    if (isFull) this.#loss.forget();
    const wantedMs = this.#loss.exceeds(SOME_LOSS) ? this.#repairMs() : 0;
    const isWanted = wantedMs >= this.#ms || (wantedMs > 0 && wantedMs + UNIT_MS >= this.#ms);
    if (!isWanted && nowUs - this.#wantedUs < HOLD_US) return;
    this.#wantedUs = nowUs;
    // A little less is no reason for a change.
    if (wantedMs >= this.#ms || !isWanted) this.#ms = wantedMs;
  }

  get #shortestMs(): number {
    return Math.min(this.#leastRttMs, this.#formerRttMs);
  }

  #noteShortest(rttMs: number, nowUs: number): void {
    if (nowUs - this.#windowUs >= SHORTEST_WINDOW_US) {
      // What is older than two windows is not the one before.
      this.#formerRttMs = nowUs - this.#windowUs < 2 * SHORTEST_WINDOW_US ? this.#leastRttMs : Infinity;
      this.#leastRttMs = Infinity;
      this.#windowUs = nowUs;
    }
    this.#leastRttMs = Math.min(this.#leastRttMs, rttMs);
  }

  #repairMs(): number {
    const rttMs = this.#rttsMs.length === 0 ? 0 : Math.min(...this.#rttsMs);
    return Math.min(Math.round((rttMs + BEYOND_ROUND_TRIP_MS) / UNIT_MS) * UNIT_MS, MAX_MS);
  }
}
