import { asError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { ObserveSession } from './session-events.js';

/** Those who observe sessions. What one of them throws is logged and harms neither the others nor the session. */
export class SessionObservers {
  readonly #first: ObserveSession[] = [];
  readonly #last: ObserveSession;
  readonly #logger: Logger;

  /** @param last - told after all others: the events of the application. */
  constructor(last: ObserveSession, logger: Logger) {
    this.#last = last;
    this.#logger = logger;
  }

  /** From now on. */
  add(observe: ObserveSession): void {
    this.#first.push(observe);
  }

  /** Tells them all. */
  readonly observe: ObserveSession = (name, event) => {
    for (const observe of [...this.#first, this.#last]) {
      try {
        observe(name, event);
      } catch (thrown) {
        this.#logger.error({ err: asError(thrown), event: name }, 'an observer threw');
      }
    }
  };
}
