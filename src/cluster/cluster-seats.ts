import { createHash } from 'node:crypto';

import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { withTimeout } from '../base/with-timeout.js';
import { type CallerSeats, SEAT_REFUSALS, type SeatKind } from '../http/caller-seats.js';
import type { Caller } from '../session/caller.js';
import type { ClusterDirectory } from './directory.js';
import { COUNT_KEPT_MS, COUNT_TIMEOUT_MS } from './directory.js';
import type { Membership } from './membership.js';

export interface ClusterSeatsParameters {
  readonly directory: Pick<ClusterDirectory, 'setCount'>;
  readonly membership: Pick<Membership, 'identity' | 'isAway'>;
  /** How many a caller has at this node. */
  readonly countOf: (kind: SeatKind, callerKey: string) => number;
  readonly clock: Clock;
  readonly logger: Logger;
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
  #isAlone = false;
  #renewedAtUs = 0;

  constructor(parameters: ClusterSeatsParameters) {
    this.#parameters = parameters;
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
    if ((await this.#tell(seats, most)) !== 'refused') return release;
    release();
    throw new StreamKitError('at_capacity', SEAT_REFUSALS[kind], { headers: { 'Retry-After': '5' } });
  }

  /** Sessions or viewers may have come or gone: the directory is told in a moment. */
  refresh(): void {
    this.#isDue = true;
    if (this.#isTelling) return;
    this.#isTelling = true;
    // What is going is still there while its observers are told.
    queueMicrotask(() => void this.#tellAll().finally(() => (this.#isTelling = false)));
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
    while (this.#isDue) {
      this.#isDue = false;
      const changed = [...this.#seats].filter(([, seats]) => seats.told !== this.#ownOf(seats));
      for (let at = 0; at < changed.length; at += TOLD_AT_ONCE) {
        const some = changed.slice(at, at + TOLD_AT_ONCE);
        const answers = await Promise.all(some.map(([, seats]) => this.#tell(seats)));
        for (const [id, seats] of some) {
          if (this.#ownOf(seats) === 0 && seats.told === 0) this.#seats.delete(id);
        }
        // What is missing is told with the next one that comes or goes, or with the next renewal.
        if (answers.includes('away')) return;
      }
    }
  }

  async #tell(seats: Seats, most?: number): Promise<'told' | 'refused' | 'away'> {
    const { directory, membership, logger } = this.#parameters;
    const own = this.#ownOf(seats);
    seats.told = own;
    try {
      if (membership.isAway) throw new Error('The directory is away');
      const name = `${seats.kind}:${digestOf(seats.callerKey)}`;
      const isTold = await withTimeout(
        directory.setCount(membership.identity, name, own, most),
        COUNT_TIMEOUT_MS,
      );
      this.#isAlone = false;
      if (!isTold) seats.told = undefined;
      return isTold ? 'told' : 'refused';
    } catch {
      seats.told = undefined;
      if (!this.#isAlone) {
        logger.warn({}, 'what callers have at other nodes does not count: the directory cannot be reached');
      }
      this.#isAlone = true;
      return 'away';
    }
  }

  #ownOf({ kind, callerKey, held }: Seats): number {
    return this.#parameters.countOf(kind, callerKey) + held;
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

/** A caller is known by its address or by what the application calls it: neither is written into a directory. */
export function digestOf(callerKey: string): string {
  return createHash('sha256').update(callerKey).digest('base64url').slice(0, 22);
}
