import type { Clock, Timer } from '../base/clock.js';
import type { PlanRungs, Rung, RungPlan, ViewerLink } from '../fanout/rung-planner.js';

export interface RungFollowerParameters {
  readonly clock: Clock;
  readonly planRungs: PlanRungs;
  /** What is encoded for a viewer whom nothing limits. */
  readonly source: () => Rung;
  /** Those who are sent the encoding, as they are now. */
  readonly links: () => readonly ViewerLink[];
  /** The encoding is to go on with this; only when it changes. */
  readonly apply: (rung: Rung) => void;
}

/** How often estimates are looked at, ms: a proof is one of seconds. */
const PLAN_INTERVAL_MS = 1000;

/** Keeps one encoding at what the links of its viewers carry. */
export class RungFollower {
  readonly #parameters: RungFollowerParameters;
  #plan: RungPlan | undefined;
  #appliedBps: number;
  #timer: Timer | undefined;
  #closed = false;

  constructor(parameters: RungFollowerParameters) {
    this.#parameters = parameters;
    this.#appliedBps = parameters.source().bitrateBps;
  }

  /** What the encoding is to have now. */
  get rung(): Rung {
    return this.#plan?.rungs[0] ?? this.#parameters.source();
  }

  /** A link's estimate, a viewer or the source has changed: what is lower counts at once. */
  update(): void {
    if (this.#closed) return;
    const { clock, planRungs, source, links, apply } = this.#parameters;
    const current = links();
    this.#plan = planRungs(
      { nowMs: clock.nowUs() / 1000, source: source(), links: current, maxRungs: 1 },
      this.#plan,
    );
    const { rung } = this;
    if (rung.bitrateBps !== this.#appliedBps) {
      this.#appliedBps = rung.bitrateBps;
      apply(rung);
    }
    const isLimited = current.some(({ estimateBps }) => estimateBps !== undefined);
    if (!isLimited) this.#rest();
    else this.#timer ??= clock.every(PLAN_INTERVAL_MS, () => this.update());
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#rest();
  }

  #rest(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
