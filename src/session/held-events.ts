import type { ObserveSession } from './session-events.js';

/** Most events that are held; beyond it the oldest is lost. A page without viewers has a few. */
const MAX_HELD = 100;

/** Holds what is observed of a session that another server sends, until it is this server's. If it never is, nobody hears of it. */
export class HeldEvents {
  readonly #observe: ObserveSession;
  /** Undefined: nothing is held any more. */
  #held: (() => void)[] | undefined = [];

  constructor(observe: ObserveSession) {
    this.#observe = observe;
  }

  readonly observe: ObserveSession = (name, event) => {
    if (this.#held === undefined) {
      this.#observe(name, event);
      return;
    }
    this.#held.push(() => this.#observe(name, event));
    if (this.#held.length > MAX_HELD) this.#held.shift();
  };

  /** Reports what was held, in order, and from now on everything at once. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const report of held) report();
  }
}
