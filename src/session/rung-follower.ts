import type { Clock, Timer } from '../base/clock.js';
import type { PlanRungs, Rung, RungPlan, ViewerLink } from '../fanout/rung-planner.js';
import type { CpuRoom } from './cpu-room.js';

export interface RungFollowerParameters {
  readonly clock: Clock;
  readonly planRungs: PlanRungs;
  /** Most encodings at a time. */
  readonly maxRungs: number;
  /** Undefined: encodings may take as much CPU time as they need. */
  readonly cpuRoom: CpuRoom | undefined;
  /** What is encoded for a viewer whom nothing limits. */
  readonly source: () => Rung;
  /** Those who are sent one of the encodings, as they are now. */
  readonly links: () => readonly ViewerLink[];
  /** What is to be encoded, and who is to get which; each time that it was looked at. */
  readonly apply: (plan: RungPlan) => void;
}

/** How often estimates are looked at, ms: a proof is one of seconds. */
const PLAN_INTERVAL_MS = 1000;
/** From so many links on, those that get worse are looked at together: a plan for a thousand takes 7 ms. */
const MANY_LINKS = 8;
const COLLECTING_MS = 100;

/** Keeps the encodings at what the links of their viewers carry. */
export class RungFollower {
  readonly #parameters: RungFollowerParameters;
  #plan: RungPlan | undefined;
  #timer: Timer | undefined;
  #soon: Timer | undefined;
  #closed = false;

  constructor(parameters: RungFollowerParameters) {
    this.#parameters = parameters;
  }

  /** A link carries less than what it is sent. */
  onWorse(): void {
    if (this.#closed) return;
    if (this.#parameters.links().length < MANY_LINKS) this.update();
    else this.#updateSoon();
  }

  /** A link has an estimate now, or carries more: that is looked at in its time. */
  onBetter(): void {
    if (!this.#closed) this.#timer ??= this.#everyInterval();
  }

  /** What a viewer gets at most has changed: several changes are looked at together. */
  onLimits(): void {
    if (!this.#closed) this.#updateSoon();
  }

  /** A viewer or the source has changed. */
  update(): void {
    if (this.#closed) return;
    this.#soon?.cancel();
    this.#soon = undefined;
    const { clock, planRungs, source, links, apply, maxRungs, cpuRoom } = this.#parameters;
    const current = links();
    const usedCores = this.#plan?.cpuCores ?? 0;
    const input = {
      ...{ nowMs: clock.nowUs() / 1000, source: source(), links: current, maxRungs },
      cpuCores: cpuRoom?.coresFor(usedCores) ?? Infinity,
    };
    this.#plan = planRungs(input, this.#plan);
    cpuRoom?.take(this.#plan.cpuCores - usedCores);
    apply(this.#plan);
    const isLimited = current.some(({ estimateBps }) => estimateBps !== undefined);
    if (!isLimited) this.#rest();
    else this.#timer ??= this.#everyInterval();
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#rest();
  }

  #updateSoon(): void {
    this.#soon ??= this.#parameters.clock.after(COLLECTING_MS, () => this.update());
  }

  #everyInterval(): Timer {
    return this.#parameters.clock.every(PLAN_INTERVAL_MS, () => this.update());
  }

  #rest(): void {
    this.#soon?.cancel();
    this.#soon = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
