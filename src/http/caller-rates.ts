import type { ResolvedRateLimitOptions } from '../options/access-options.js';
import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import type { Caller } from '../session/caller.js';
import { RateLimiter } from './rate-limiter.js';

/** What a caller that has been quiet may send at once, seconds of its rate: many candidates of many viewers. */
const SIGNAL_BURST_SECONDS = 10;
/** Anonymous callers get this part of the joins. */
const ANONYMOUS_JOIN_SHARE = 0.1;

/** What {@link CallerRates} limits. */
export type RateName = 'sessions' | 'signals' | 'joins' | 'snapshots' | 'requests';

/** How often one caller may do what costs. Every method throws StreamKitError `at_capacity` beyond it. */
export interface CallerRates {
  /** How often callers were refused. */
  readonly refused: Readonly<Record<RateName, number>>;
  takeSession(caller: Caller): void;
  /** As {@link takeSession}, but counts nothing. */
  checkSession(caller: Caller): void;
  takeSignal(caller: Caller): void;
  /** One more event stream, WebSocket or player. Operators are exempt. */
  takeJoin(caller: Caller): void;
  /** Operators are exempt. */
  takeSnapshot(caller: Caller): void;
  /** Counts a request until what it returns is called. Operators are exempt. */
  openRequest(caller: Caller): () => void;
}

const UNLIMITED: CallerRates = {
  refused: { sessions: 0, signals: 0, joins: 0, snapshots: 0, requests: 0 },
  takeSession: () => undefined,
  checkSession: () => undefined,
  takeSignal: () => undefined,
  takeJoin: () => undefined,
  takeSnapshot: () => undefined,
  openRequest: () => () => undefined,
};

/** @param options - undefined: as often as it likes. */
export function createCallerRates(options: ResolvedRateLimitOptions | undefined, clock: Clock): CallerRates {
  if (options === undefined) return UNLIMITED;
  const perMinute = (count: number): RateLimiter =>
    new RateLimiter({ perSecond: count / 60, burst: count }, clock);
  const { signalsPerSecond, joinsPerMinute } = options;
  const sessions = perMinute(options.sessionsPerMinute);
  const signals = new RateLimiter(
    { perSecond: signalsPerSecond, burst: signalsPerSecond * SIGNAL_BURST_SECONDS },
    clock,
  );
  const joins = perMinute(joinsPerMinute);
  const anonymousJoins = perMinute(Math.max(1, Math.floor(joinsPerMinute * ANONYMOUS_JOIN_SHARE)));
  const snapshots = perMinute(options.snapshotsPerMinute);
  const requests = new OpenRequests(options.openRequests);
  const isExempt = ({ role }: Caller): boolean => role === 'operator';
  return {
    get refused() {
      return {
        sessions: sessions.refused,
        signals: signals.refused,
        joins: joins.refused + anonymousJoins.refused,
        snapshots: snapshots.refused,
        requests: requests.refused,
      };
    },
    takeSession: ({ key }) => sessions.take(key, 'sessions'),
    checkSession: ({ key }) => sessions.check(key, 'sessions'),
    takeSignal: ({ key }) => signals.take(key, 'signals'),
    takeJoin: (caller) => {
      if (isExempt(caller)) return;
      (caller.anonymous === true ? anonymousJoins : joins).take(caller.key, 'joins');
    },
    takeSnapshot: (caller) => {
      if (!isExempt(caller)) snapshots.take(caller.key, 'snapshots');
    },
    openRequest: (caller) => (isExempt(caller) ? () => undefined : requests.open(caller.key)),
  };
}

/** Requests that wait for their answer, by caller. What is kept is bounded by the requests that are open. */
class OpenRequests {
  readonly #most: number;
  readonly #open = new Map<string, number>();
  refused = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** @throws StreamKitError `at_capacity`. @returns what ends it. */
  open(key: string): () => void {
    const count = this.#open.get(key) ?? 0;
    if (count >= this.#most) {
      this.refused += 1;
      const headers = { 'Retry-After': '1' };
      throw new StreamKitError('at_capacity', 'Too many open requests from this caller', { headers });
    }
    this.#open.set(key, count + 1);
    return () => {
      const left = (this.#open.get(key) ?? 1) - 1;
      if (left === 0) this.#open.delete(key);
      else this.#open.set(key, left);
    };
  }
}
