import type { Clock } from '../clock.js';
import { asError } from '../errors.js';
import type { Logger } from '../logger.js';
import { settlesWithin } from './deadline.js';

/** What closing may take, ms, in this order: less than 5 s together. What is late goes on by itself. */
const CLOSE_BUDGET_MS = { viewers: 800, encoders: 800, capture: 3200 } as const;

/** Closes the parts of a session: what fails or is late must not keep the rest from being closed. */
export class ClosingParts {
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  async close(part: keyof typeof CLOSE_BUDGET_MS, closing: Promise<unknown> | undefined): Promise<void> {
    if (closing === undefined) return;
    const late = closing.catch((thrown: unknown) => {
      this.#logger.warn({ part, err: asError(thrown) }, 'a part did not close cleanly');
    });
    const inTime = await settlesWithin(this.#clock, CLOSE_BUDGET_MS[part], late);
    if (!inTime) this.#logger.warn({ part, limitMs: CLOSE_BUDGET_MS[part] }, 'closing takes too long');
  }
}
