import type { Clock, Timer } from '../base/clock.js';
import { asError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';

/** How often it is looked whether the machine still has room for spares, ms. */
const LOOK_INTERVAL_MS = 2_000;
/** After a spare was lost; twice as long after each further one. */
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 60_000;
/** So long after a session was opened it has its first pictures, which a start would delay. */
const POSTPONED_US = 2_000_000;
/** Where sessions keep coming, a start is not put off for longer than this. */
const LONGEST_POSTPONED_US = 10_000_000;
/** One that was lost after this long was no failure of its start. */
const SOUND_AFTER_US = 60_000_000;

/** Something that is made ahead and serves once. */
export interface Spare {
  readonly isAlive: boolean;
  /** Idempotent. */
  close(): Promise<void>;
}

/** What there is room for beside the sessions. */
export interface PoolRoom {
  /** How many sessions may still be created: more spares are of no use. */
  readonly sessionsLeft: number;
  /** What is free would carry a further spare, and a session besides. */
  readonly hasMuch: boolean;
  /** What is free would not carry one more session: spares go. */
  readonly isShort: boolean;
  /** A spare begins to be launched, which takes all cores for a moment, or that is over. */
  setLaunching(isLaunching: boolean): void;
}

export interface WarmPoolOptions<T extends Spare> {
  /** Most spares. */
  readonly size: number;
  /** An older spare is replaced. */
  readonly maxAgeMs: number;
  /** Makes one. `onLost` tells that it has died; it is closed by the pool then. */
  readonly start: (onLost: () => void, signal: AbortSignal) => Promise<T>;
  /** Whether sessions are being launched, which a spare would delay. */
  readonly isBusy: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What became of those who wanted a spare. */
export interface PoolCounts {
  /** Spares that are ready. */
  readonly ready: number;
  /** Spares that were used. */
  readonly hits: number;
  /** None was ready, or it was of no use any more. */
  readonly misses: number;
  /** The session needed another browser than the spares are. */
  readonly unfit: number;
}

interface Waiting<T> {
  readonly spare: T;
  readonly sinceUs: number;
}

/**
 * Keeps spares ready, each for one taker. They are made one at a time, while nothing else is launched and the machine has room,
 * and are given up before a session would be refused.
 */
export class WarmPool<T extends Spare> {
  readonly #options: WarmPoolOptions<T>;
  /** The oldest first. */
  #waiting: Waiting<T>[] = [];
  #starting: { readonly abort: AbortController; readonly done: Promise<void> } | undefined;
  readonly #closing = new Set<Promise<void>>();
  #room: PoolRoom | undefined;
  #timer: Timer | undefined;
  /** Since when sessions put a start off that could be made otherwise; undefined: they do not. */
  #postponedSinceUs: number | undefined;
  #postponedUntilUs = -Infinity;
  #failures = 0;
  #notBeforeUs = -Infinity;
  #hits = 0;
  #misses = 0;
  #unfit = 0;
  #closed = false;

  constructor(options: WarmPoolOptions<T>) {
    this.#options = options;
  }

  get counts(): PoolCounts {
    const ready = this.#waiting.length;
    return { ready, hits: this.#hits, misses: this.#misses, unfit: this.#unfit };
  }

  /** Begins to make spares. Once. */
  begin(room: PoolRoom): void {
    if (this.#closed) return;
    this.#room = room;
    this.#timer = this.#options.clock.every(LOOK_INTERVAL_MS, () => this.look());
    this.look();
  }

  /**
   * A spare that is the taker's from now on; undefined if there is none. The taker tells then whether it was {@link used} or
   * {@link wasted}.
   *
   * @param fits - whether spares are of use to the taker.
   */
  take(fits: boolean): T | undefined {
    if (!fits) {
      this.#unfit += 1;
      return undefined;
    }
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.spare.isAlive) return next.spare;
      void this.#end(next.spare);
    }
    this.#misses += 1;
    return undefined;
  }

  /** A spare that was taken was of use: they are sound. */
  used(): void {
    this.#hits += 1;
    this.#failures = 0;
  }

  /** A spare that was taken could not be used, and is ended. Never rejects. */
  wasted(spare: T): Promise<void> {
    this.#misses += 1;
    return this.#end(spare);
  }

  /** A session was opened: no spare is made in its first moments. */
  postpone(): void {
    const nowUs = this.#options.clock.nowUs();
    this.#postponedSinceUs ??= nowUs;
    const untilUs = Math.min(nowUs, this.#postponedSinceUs + LONGEST_POSTPONED_US) + POSTPONED_US;
    this.#postponedUntilUs = Math.max(this.#postponedUntilUs, untilUs);
    this.look();
  }

  /** Makes a spare, or gives some up, if there is reason to. Called whenever one may have come up. */
  look(): void {
    const room = this.#room;
    if (room === undefined || this.#closed) return;
    const { clock, size, maxAgeMs, isBusy } = this.#options;
    const most = room.isShort ? 0 : Math.min(size, room.sessionsLeft);
    while (this.#waiting.length > most) this.#drop();
    if (this.#starting !== undefined) {
      if (most === 0) this.#starting.abort.abort();
      return;
    }
    const nowUs = clock.nowUs();
    const [oldest] = this.#waiting;
    const isAged = oldest !== undefined && nowUs - oldest.sinceUs >= maxAgeMs * 1000;
    const isWanted = this.#waiting.length < most || isAged;
    const isPossible = isWanted && nowUs >= this.#notBeforeUs && room.hasMuch;
    if (isPossible && (nowUs < this.#postponedUntilUs || isBusy())) return;
    this.#postponedSinceUs = undefined;
    if (!isPossible) return;
    room.setLaunching(true);
    const abort = new AbortController();
    const starting = { abort, done: this.#start(abort.signal, most) };
    this.#starting = starting;
    void starting.done.then(() => {
      this.#starting = undefined;
      room.setLaunching(false);
      this.look();
    });
  }

  /** Ends the spares, also the one that is being made. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#starting?.abort.abort();
    for (const { spare } of this.#waiting.splice(0)) void this.#end(spare);
    await this.#starting?.done;
    await Promise.all(this.#closing);
  }

  /** Never rejects. */
  async #start(signal: AbortSignal, most: number): Promise<void> {
    const { clock, logger, start } = this.#options;
    try {
      const made: { spare?: T; isLost?: boolean } = {};
      const onLost = (): void => {
        made.isLost = true;
        this.#onLost(made.spare);
      };
      const spare = await start(onLost, signal);
      made.spare = spare;
      if (signal.aborted || this.#closed) {
        void this.#end(spare);
        signal.throwIfAborted();
        return;
      }
      if (made.isLost === true || !spare.isAlive) {
        void this.#end(spare);
        throw new Error('It was lost at once');
      }
      this.#waiting.push({ spare, sinceUs: clock.nowUs() });
      // The one that it replaces stayed until now.
      if (this.#waiting.length > most) this.#drop();
    } catch (thrown) {
      // One that was given up came too early: the next one does not follow at once either.
      this.#fail();
      if (signal.aborted) return;
      logger.warn({ err: asError(thrown) }, 'no browser could be made ready for the next session');
    }
  }

  #onLost(spare: T | undefined): void {
    const index = this.#waiting.findIndex((waiting) => waiting.spare === spare);
    const [lost] = index < 0 ? [] : this.#waiting.splice(index, 1);
    // Taken, dropped, or not there yet.
    if (lost === undefined) return;
    const { clock, logger } = this.#options;
    if (clock.nowUs() - lost.sinceUs >= SOUND_AFTER_US) this.#failures = 0;
    this.#fail();
    logger.warn({}, 'a browser that was ready for the next session was lost');
    void this.#end(lost.spare);
  }

  #fail(): void {
    const delayMs = Math.min(FIRST_DELAY_MS * 2 ** this.#failures, LONGEST_DELAY_MS);
    this.#failures += 1;
    this.#notBeforeUs = this.#options.clock.nowUs() + delayMs * 1000;
  }

  #drop(): void {
    const dropped = this.#waiting.shift();
    if (dropped !== undefined) void this.#end(dropped.spare);
  }

  /** Never rejects. */
  #end(spare: T): Promise<void> {
    const closing = spare
      .close()
      .catch((thrown: unknown) =>
        this.#options.logger.warn({ err: asError(thrown) }, 'a spare browser did not end'),
      )
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
    return closing;
  }
}
