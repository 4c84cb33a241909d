import type { Clock, Timer } from '../../base/clock.js';
import { StreamKitError } from '../../base/errors.js';

/**
 * Handshakes at a time. Each keeps the main thread busy for some 5 ms, and clients repeat what is not answered within
 * 50 ms: with many at once most of the work would be for repetitions.
 */
const MAX_AT_ONCE = 4;
/**
 * How long a handshake counts, ms. One that takes longer waits for its network and not for us; were it to count on, a few
 * viewers who are far away or do not answer would keep everybody out. Four in 80 ms are 50 a second.
 */
const TURN_MS = 80;
/** Those that may wait: at 50 a second the last one waits for 10 s of the 30 that it has to connect. */
const MAX_WAITING = 512;

/** A place in the queue, then a turn. */
export interface HandshakeTurn {
  /** Resolves when the handshake may begin, or when the turn was ended before. */
  readonly begun: Promise<void>;
  /** The handshake is over, one way or the other, or will not be. Idempotent. */
  end(): void;
}

class Turn implements HandshakeTurn {
  readonly begun: Promise<void>;
  #resolveBegun: () => void = () => undefined;
  #timer: Timer | undefined;

  readonly #clock: Clock;
  readonly #onEnd: (turn: Turn) => void;
  constructor(clock: Clock, onEnd: (turn: Turn) => void) {
    this.#clock = clock;
    this.#onEnd = onEnd;
    this.begun = new Promise((resolve) => {
      this.#resolveBegun = resolve;
    });
  }

  begin(): void {
    this.#timer = this.#clock.after(TURN_MS, () => this.end());
    this.#resolveBegun();
  }

  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#resolveBegun();
    this.#onEnd(this);
  }
}

/** Lets a few DTLS handshakes run at a time, in the order in which they were asked for. */
export class HandshakeTurns {
  readonly #running = new Set<Turn>();
  readonly #waiting = new Set<Turn>();

  /** @throws StreamKitError `at_capacity` where too many wait already: the newcomer is turned away, not those who wait. */
  take(clock: Clock): HandshakeTurn {
    if (this.#waiting.size >= MAX_WAITING) {
      throw new StreamKitError('at_capacity', 'Too many viewers are connecting at once');
    }
    const turn = new Turn(clock, (ended) => {
      this.#waiting.delete(ended);
      if (this.#running.delete(ended)) {
        this.#beginNext();
      }
    });
    this.#waiting.add(turn);
    this.#beginNext();
    return turn;
  }

  #beginNext(): void {
    for (const turn of this.#waiting) {
      if (this.#running.size >= MAX_AT_ONCE) {
        return;
      }
      this.#waiting.delete(turn);
      this.#running.add(turn);
      turn.begin();
    }
  }
}

/** One main thread does the handshakes of all routers of a process. */
export const processHandshakeTurns = new HandshakeTurns();
