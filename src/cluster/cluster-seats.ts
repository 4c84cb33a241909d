import type { KeyObject } from 'node:crypto';

import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { withTimeout } from '../base/with-timeout.js';
import { type CallerSeats, SEAT_REFUSALS, type SeatKind } from '../http/caller-seats.js';
import type { Caller } from '../session/caller.js';
import { AloneNotice } from './alone-notice.js';
import type { ClusterDirectory } from './directory.js';
import { COUNT_KEPT_MS, COUNT_TIMEOUT_MS } from './directory.js';
import { directoryName } from './directory-name.js';
import type { Membership } from './membership.js';

export interface ClusterSeatsParameters {
  readonly directory: Pick<ClusterDirectory, 'setCount'>;
  readonly membership: Pick<Membership, 'identity' | 'isAway'>;
  /** How many each caller has at this node; who has none is missing. */
  readonly counts: (kind: SeatKind) => ReadonlyMap<string, number>;
  /** Of the cluster. */
  readonly secret: KeyObject;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a request waits for the directory, ms; default: {@link COUNT_TIMEOUT_MS}. */
  readonly timeoutMs?: number | undefined;
}

/** Callers of which the directory is told at once: each command blocks it while it runs. */
const TOLD_AT_ONCE = 100;

/** What one caller has of one kind at this node. */
interface Seats {
  readonly kind: SeatKind;
  readonly callerKey: string;
  /** Places that are held. */
  held: number;
  /** As the directory was told last. Undefined: it may not know. */
  told: number | undefined;
}

/**
 * What callers with limits have, at all nodes together. Each node says how much it has itself: what a node that is gone said no longer
 * counts. While the directory is away, each node counts alone.
 */
export class ClusterSeats implements CallerSeats {
  readonly #parameters: ClusterSeatsParameters;
  /** Of callers with limits that have something here, or had a moment ago. */
  readonly #seats = new Map<string, Seats>();
  #isTelling = false;
  #isDue = false;
  readonly #notice: AloneNotice;
  #renewedAtUs = 0;

  constructor(parameters: ClusterSeatsParameters) {
    this.#parameters = parameters;
    const sentence = 'what callers have at other nodes does not count: the directory cannot be reached';
    this.#notice = new AloneNotice(sentence, parameters.logger, parameters.clock);
  }

  /** As {@link CallerSeats.hold}. */
  async hold(kind: SeatKind, { key, limits }: Caller): Promise<() => void> {
    const most = kind === 'sessions' ? limits.maxSessions : limits.maxViewers;
    if (most === undefined) return () => undefined;
    const seats = this.#seatsOf(kind, key);
    seats.held += 1;
    let isOver = false;
    const release = (): void => {
      if (isOver) return;
      isOver = true;
      seats.held -= 1;
      this.refresh();
    };
    const own = (this.#parameters.counts(kind).get(key) ?? 0) + seats.held;
    if ((await this.#tell(seats, own, most)) !== 'refused') return release;
    release();
    throw new StreamKitError('at_capacity', SEAT_REFUSALS[kind], { headers: { 'Retry-After': '5' } });
  }

  /** Sessions or viewers may have come or gone: the directory is told in a moment. */
  refresh(): void {
    this.#isDue = true;
    if (this.#isTelling) return;
    this.#isTelling = true;
    // What is going is still there while its observers are told.
    queueMicrotask(() => void this.#tellAll());
  }

  /** @param isKnown - the directory has forgotten nothing, except what was not said for too long. */
  renew(isKnown: boolean): void {
    const nowUs = this.#parameters.clock.nowUs();
    if (isKnown && nowUs - this.#renewedAtUs < (COUNT_KEPT_MS * 1000) / 3) return;
    this.#renewedAtUs = nowUs;
    for (const seats of this.#seats.values()) seats.told = undefined;
    this.refresh();
  }

  async #tellAll(): Promise<void> {
    try {
      while (this.#isDue) {
        this.#isDue = false;
        let ownOf = this.#counted();
        const changed = [...this.#seats].filter(([, seats]) => seats.told !== ownOf(seats));
        for (let at = 0; at < changed.length; at += TOLD_AT_ONCE) {
          const some = changed.slice(at, at + TOLD_AT_ONCE);
          const answers = await Promise.all(some.map(([, seats]) => this.#tell(seats, ownOf(seats))));
          ownOf = this.#counted();
          for (const [id, seats] of some) {
            if (ownOf(seats) === 0 && seats.told === 0) this.#seats.delete(id);
          }
          // What is missing is told with the next one that comes or goes, or with the next renewal.
          if (answers.includes('away')) return;
        }
      }
    } finally {
      // In the turn in which nothing was due: what comes after it begins anew.
      this.#isTelling = false;
    }
  }

  async #tell(seats: Seats, own: number, most?: number): Promise<'told' | 'refused' | 'away'> {
    const { directory, membership, secret, timeoutMs = COUNT_TIMEOUT_MS } = this.#parameters;
    seats.told = own;
    try {
      if (membership.isAway) throw new Error('The directory is away');
      const name = `${seats.kind}:${directoryName(secret, seats.callerKey)}`;
      const isTold = await withTimeout(directory.setCount(membership.identity, name, own, most), timeoutMs);
      this.#notice.isAlone = false;
      if (!isTold) seats.told = undefined;
      return isTold ? 'told' : 'refused';
    } catch {
      seats.told = undefined;
      this.#notice.isAlone = true;
      return 'away';
    }
  }

  /** What callers have now, counted once for all of them. */
  #counted(): (seats: Seats) => number {
    // Nobody has anything that counts.
    if (this.#seats.size === 0) return () => 0;
    const { counts } = this.#parameters;
    const now = { sessions: counts('sessions'), viewers: counts('viewers') };
    return ({ kind, callerKey, held }) => (now[kind].get(callerKey) ?? 0) + held;
  }

  #seatsOf(kind: SeatKind, callerKey: string): Seats {
    const id = `${kind} ${callerKey}`;
    const known = this.#seats.get(id);
    if (known !== undefined) return known;
    const seats: Seats = { kind, callerKey, held: 0, told: undefined };
    this.#seats.set(id, seats);
    return seats;
  }
}
