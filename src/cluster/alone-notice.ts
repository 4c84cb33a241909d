import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';

/** A directory that comes and goes is logged no more often, µs. */
const LEAST_BETWEEN_US = 60_000_000;

/** Logs that a node counts alone, when that begins. */
export class AloneNotice {
  readonly #logger: Logger;
  readonly #clock: Pick<Clock, 'nowUs'>;
  readonly #sentence: string;
  #isAlone = false;
  #loggedAtUs = -Infinity;

  constructor(sentence: string, logger: Logger, clock: Pick<Clock, 'nowUs'>) {
    this.#sentence = sentence;
    this.#logger = logger;
    this.#clock = clock;
  }

  /** The directory has answered, or has not. */
  set isAlone(isAlone: boolean) {
    const nowUs = this.#clock.nowUs();
    if (isAlone && !this.#isAlone && nowUs - this.#loggedAtUs >= LEAST_BETWEEN_US) {
      this.#loggedAtUs = nowUs;
      this.#logger.warn({}, this.#sentence);
    }
    this.#isAlone = isAlone;
  }
}
