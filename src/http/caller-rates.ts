import type { ResolvedRateLimitOptions } from '../options/access-options.js';
import type { Clock } from '../base/clock.js';
import type { Caller } from '../session/caller.js';
import { RateLimiter } from './rate-limiter.js';

/** What a caller that has been quiet may send at once, seconds of its rate: many candidates of many viewers. */
const SIGNAL_BURST_SECONDS = 10;

/** How often one caller may do what costs. */
export interface CallerRates {
  /** How often they were refused. */
  readonly refused: Readonly<Record<'sessions' | 'signals', number>>;
  /** @throws StreamKitError `at_capacity`. */
  takeSession(caller: Caller): void;
  /** @throws StreamKitError `at_capacity`. */
  takeSignal(caller: Caller): void;
}

/** @param options - undefined: as often as it likes. */
export function createCallerRates(options: ResolvedRateLimitOptions | undefined, clock: Clock): CallerRates {
  if (options === undefined) {
    const refused = { sessions: 0, signals: 0 };
    return { refused, takeSession: () => undefined, takeSignal: () => undefined };
  }
  const { sessionsPerMinute, signalsPerSecond } = options;
  const sessions = new RateLimiter({ perSecond: sessionsPerMinute / 60, burst: sessionsPerMinute }, clock);
  const signals = new RateLimiter(
    { perSecond: signalsPerSecond, burst: signalsPerSecond * SIGNAL_BURST_SECONDS },
    clock,
  );
  return {
    get refused() {
      return { sessions: sessions.refused, signals: signals.refused };
    },
    takeSession: ({ key }) => sessions.take(key, 'sessions'),
    takeSignal: ({ key }) => signals.take(key, 'signals'),
  };
}
