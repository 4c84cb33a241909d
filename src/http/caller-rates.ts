import type { ResolvedRateLimitOptions } from '../options/access-options.js';
import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import type { Caller } from '../session/caller.js';
import { type RateLimit, RateLimiter } from './rate-limiter.js';

/** What a caller that has been quiet may send at once, seconds of its rate: many candidates of many viewers. */
const SIGNAL_BURST_SECONDS = 10;
/** Anonymous callers get this part of the joins. */
const ANONYMOUS_JOIN_SHARE = 0.1;

/** What {@link CallerRates} limits. */
export type RateName = 'sessions' | 'signals' | 'joins' | 'snapshots' | 'requests';

/** How often one caller may do what costs. Every method throws StreamKitError `at_capacity` beyond it, or rejects with it. */
export interface CallerRates {
  /** How often callers were refused. */
  readonly refused: Readonly<Record<RateName, number>>;
  takeSession(caller: Caller): Promise<void>;
  /** As {@link takeSession}, but counts nothing, and looks only at this server. */
  checkSession(caller: Caller): void;
  takeSignal(caller: Caller): Promise<void>;
  /** As {@link takeSignal}, of a connection that stays at this server. */
  takeSignalHere(caller: Caller): void;
  /** One more event stream, WebSocket or player. Operators are exempt. */
  takeJoin(caller: Caller): Promise<void>;
  /** Operators are exempt. */
  takeSnapshot(caller: Caller): Promise<void>;
  /** Counts a request at this server until what it returns is called. Operators are exempt. */
  openRequest(caller: Caller): () => void;
}

/** What callers do at other servers. */
export interface SharedRates {
  /**
   * Takes one from a bucket that all servers share.
   *
   * @returns how long to wait until there is one, ms; 0: it was taken. Undefined: each server counts alone for now.
   */
  take(bucket: string, caller: string, limit: RateLimit): Promise<number | undefined>;
}

const UNLIMITED: CallerRates = {
  refused: { sessions: 0, signals: 0, joins: 0, snapshots: 0, requests: 0 },
  takeSession: () => Promise.resolve(),
  checkSession: () => undefined,
  takeSignal: () => Promise.resolve(),
  takeSignalHere: () => undefined,
  takeJoin: () => Promise.resolve(),
  takeSnapshot: () => Promise.resolve(),
  openRequest: () => () => undefined,
};

/**
 * @param options - undefined: as often as it likes.
 * @param shared - undefined: there are no other servers.
 */
export function createCallerRates(
  options: ResolvedRateLimitOptions | undefined,
  clock: Clock,
  shared?: SharedRates,
): CallerRates {
  if (options === undefined) return UNLIMITED;
  const limited = (what: string, bucket: string, limit: RateLimit): Rate =>
    new Rate(what, bucket, limit, clock, shared);
  const perMinute = (what: string, bucket: string, count: number): Rate =>
    limited(what, bucket, { perSecond: count / 60, burst: count });
  const { signalsPerSecond, joinsPerMinute } = options;
  const sessions = perMinute('sessions', 'sessions', options.sessionsPerMinute);
  const signals = limited('signals', 'signals', {
    perSecond: signalsPerSecond,
    burst: signalsPerSecond * SIGNAL_BURST_SECONDS,
  });
  const joins = perMinute('joins', 'joins', joinsPerMinute);
  const fewJoins = Math.max(1, Math.floor(joinsPerMinute * ANONYMOUS_JOIN_SHARE));
  const anonymousJoins = perMinute('joins', 'anonymous-joins', fewJoins);
  const snapshots = perMinute('snapshots', 'snapshots', options.snapshotsPerMinute);
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
    takeSession: ({ key }) => sessions.take(key),
    checkSession: ({ key }) => sessions.checkHere(key),
    takeSignal: ({ key }) => signals.take(key),
    takeSignalHere: ({ key }) => signals.takeHere(key),
    takeJoin: async (caller) => {
      if (isExempt(caller)) return;
      await (caller.anonymous === true ? anonymousJoins : joins).take(caller.key);
    },
    takeSnapshot: async (caller) => {
      if (!isExempt(caller)) await snapshots.take(caller.key);
    },
    openRequest: (caller) => (isExempt(caller) ? () => undefined : requests.open(caller.key)),
  };
}

/** One rate, of all callers. */
class Rate {
  readonly #limiter: RateLimiter;

  constructor(
    readonly what: string,
    readonly bucket: string,
    readonly limit: RateLimit,
    clock: Clock,
    readonly shared: SharedRates | undefined,
  ) {
    this.#limiter = new RateLimiter(limit, clock);
  }

  get refused(): number {
    return this.#limiter.refused;
  }

  /** Asks this server first: who is over the rate here costs the others nothing. */
  async take(key: string): Promise<void> {
    this.takeHere(key);
    const waitMs = await this.shared?.take(this.bucket, key, this.limit);
    if (waitMs === undefined || waitMs === 0) return;
    this.#limiter.giveBack(key);
    throw this.#limiter.refuse(this.what, waitMs);
  }

  takeHere(key: string): void {
    this.#limiter.take(key, this.what);
  }

  checkHere(key: string): void {
    this.#limiter.check(key, this.what);
  }
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
