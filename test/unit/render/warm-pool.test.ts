import { beforeEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import { WarmPool, type PoolRoom, type Spare } from '../../../src/render/warm-pool.js';
import { settle, VirtualClock } from '../../helpers/virtual-clock.js';

class FakeSpare implements Spare {
  isAlive = true;
  closes = 0;
  readonly #onLost: () => void;

  constructor(onLost: () => void) {
    this.#onLost = onLost;
  }

  die(): void {
    this.isAlive = false;
    this.tellLost();
  }

  /** Its browser is lost; the process that had it lives. */
  tellLost(): void {
    this.#onLost();
  }

  close(): Promise<void> {
    this.isAlive = false;
    this.closes += 1;
    return Promise.resolve();
  }
}

const MAX_AGE_MS = 60_000;

describe('WarmPool', () => {
  let clock: VirtualClock;
  let room: { -readonly [Name in keyof PoolRoom]: PoolRoom[Name] };
  let made: FakeSpare[];
  /** Starts that are under way: each is let through, or failed, by the test. */
  let starts: {
    finish(end?: (spare: FakeSpare) => void): Promise<void>;
    fail(): Promise<void>;
    readonly signal: AbortSignal;
  }[];
  let busy: boolean;
  let launching: boolean[];

  beforeEach(() => {
    clock = new VirtualClock();
    launching = [];
    room = {
      ...{ sessionsLeft: 10, hasMuch: true, isShort: false },
      setLaunching: (isLaunching) => void launching.push(isLaunching),
    };
    made = [];
    starts = [];
    busy = false;
  });

  function open(size: number): WarmPool<FakeSpare> {
    const pool = new WarmPool<FakeSpare>({
      ...{ size, maxAgeMs: MAX_AGE_MS, isBusy: () => busy, clock, logger: silentLogger },
      start: (onLost, signal) =>
        new Promise((resolve, reject) => {
          starts.push({
            signal,
            finish: async (end) => {
              const spare = new FakeSpare(onLost);
              made.push(spare);
              resolve(spare);
              end?.(spare);
              await settle();
            },
            fail: async () => {
              reject(new Error('no browser'));
              await settle();
            },
          });
        }),
    });
    pool.begin(room);
    return pool;
  }

  /** Lets starts through, one after the other, until there are no more. */
  async function fill(): Promise<void> {
    for (let next = starts.shift(); next !== undefined; next = starts.shift()) await next.finish();
  }

  it('makes spares one at a time, and each serves one taker', async () => {
    const pool = open(2);
    expect(starts).toHaveLength(1);
    await fill();
    expect(pool.counts.ready).toBe(2);
    const taken = [pool.take(true), pool.take(true), pool.take(true)];
    expect(taken).toEqual([made[0], made[1], undefined]);
    expect(taken[0]).not.toBe(taken[1]);
    // What becomes of them is not known yet.
    expect(pool.counts).toEqual({ ready: 0, hits: 0, misses: 1, unfit: 0 });
    pool.used();
    pool.used();
    expect(pool.counts).toEqual({ ready: 0, hits: 2, misses: 1, unfit: 0 });
    pool.look();
    expect(starts).toHaveLength(1);
    await fill();
    expect(made).toHaveLength(4);
    // What was taken is its taker's.
    await pool.close();
    expect(made.map(({ closes }) => closes)).toEqual([0, 0, 1, 1]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('keeps its spares from a taker that they do not fit', async () => {
    const pool = open(1);
    await fill();
    expect(pool.take(false)).toBeUndefined();
    expect(pool.counts).toEqual({ ready: 1, hits: 0, misses: 0, unfit: 1 });
  });

  it('makes none while sessions are launched or the machine has no room', async () => {
    busy = true;
    const pool = open(1);
    expect(starts).toHaveLength(0);
    busy = false;
    room.hasMuch = false;
    await clock.advance(10_000);
    expect(starts).toHaveLength(0);
    room.hasMuch = true;
    await clock.advance(5_000);
    expect(starts).toHaveLength(1);
    await fill();
    expect(pool.counts.ready).toBe(1);
  });

  it('makes none in the first moments of a session, but does in the end although sessions keep coming', async () => {
    const pool = open(1);
    await fill();
    pool.take(true);
    pool.postpone();
    await clock.advance(1_500);
    expect(starts).toHaveLength(0);
    await clock.advance(2_500);
    expect(starts).toHaveLength(1);
    await fill();
    pool.take(true);
    for (let second = 0; second < 15; second++) {
      pool.postpone();
      await clock.advance(1_000);
    }
    expect(starts).toHaveLength(1);
  });

  it('spares a session its first moments however long ago one was opened that put nothing off', async () => {
    const pool = open(1);
    await fill();
    // It did not take the spare.
    pool.postpone();
    await clock.advance(30_000);
    pool.take(true);
    pool.postpone();
    await clock.advance(1_500);
    expect(starts).toHaveLength(0);
    await clock.advance(2_500);
    expect(starts).toHaveLength(1);
  });

  it('gives up its spares when a session would not find room, also the one that is being made', async () => {
    const pool = open(2);
    await starts.shift()?.finish();
    const [second] = starts;
    room.isShort = true;
    room.hasMuch = false;
    pool.look();
    expect(made[0]?.closes).toBe(1);
    expect(second?.signal.aborted).toBe(true);
    await second?.finish();
    expect(made[1]?.closes).toBe(1);
    expect(pool.counts.ready).toBe(0);
  });

  it('makes no other at once after it has given up one that was being made', async () => {
    open(1);
    for (const delayMs of [1_000, 2_000, 4_000]) {
      const start = starts.shift();
      room.isShort = true;
      await clock.advance(2_000);
      expect(start?.signal.aborted).toBe(true);
      room.isShort = false;
      await start?.fail();
      await clock.advance(delayMs - 500);
      expect(starts).toHaveLength(0);
      await clock.advance(2_500);
      expect(starts).toHaveLength(1);
    }
  });

  it('tells when it launches one', async () => {
    open(2);
    expect(launching).toEqual([true]);
    await starts.shift()?.finish();
    expect(launching).toEqual([true, false, true]);
    await starts.shift()?.fail();
    expect(launching).toEqual([true, false, true, false]);
  });

  it('keeps no more spares than sessions may still be created', async () => {
    const pool = open(3);
    await fill();
    room.sessionsLeft = 1;
    await clock.advance(5_000);
    expect(pool.counts.ready).toBe(1);
    room.sessionsLeft = 0;
    await clock.advance(5_000);
    expect(pool.counts.ready).toBe(0);
    expect(starts).toHaveLength(0);
  });

  it('replaces an old spare, which stays until the new one is ready', async () => {
    const pool = open(1);
    await fill();
    await clock.advance(MAX_AGE_MS + 5_000);
    expect(starts).toHaveLength(1);
    expect(pool.counts.ready).toBe(1);
    await fill();
    expect(made.map(({ closes }) => closes)).toEqual([1, 0]);
    expect(pool.take(true)).toBe(made[1]);
  });

  it('replaces a spare that dies, after a time that doubles', async () => {
    const pool = open(1);
    for (const delayMs of [1_000, 2_000, 4_000, 8_000]) {
      await fill();
      made.at(-1)?.die();
      expect(made.at(-1)?.closes).toBe(1);
      await clock.advance(delayMs - 500);
      expect(starts).toHaveLength(0);
      // It looks every two seconds.
      await clock.advance(2_500);
      expect(starts).toHaveLength(1);
    }
    await starts.shift()?.fail();
    await clock.advance(15_000);
    expect(starts).toHaveLength(0);
    await clock.advance(3_000);
    await fill();
    expect(pool.take(true)).toBe(made.at(-1));
    // A spare that could be used ends the series.
    pool.look();
    expect(starts).toHaveLength(1);
  });

  it('takes a spare that was taken in vain for a miss, and ends it', async () => {
    const pool = open(1);
    await fill();
    const spare = pool.take(true);
    if (spare !== undefined) await pool.wasted(spare);
    expect(made[0]?.closes).toBe(1);
    expect(pool.counts).toEqual({ ready: 0, hits: 0, misses: 1, unfit: 0 });
  });

  it.each([
    ['used', 1_000],
    ['taken in vain', 4_000],
  ])('waits after a failure that follows one that was %s for %i ms', async (what, delayMs) => {
    const pool = open(1);
    for (const waitMs of [3_000, 4_000]) {
      await starts.shift()?.fail();
      await clock.advance(waitMs);
    }
    await fill();
    const spare = pool.take(true);
    if (what === 'used') pool.used();
    else if (spare !== undefined) await pool.wasted(spare);
    pool.look();
    await starts.shift()?.fail();
    await clock.advance(delayMs - 500);
    expect(starts).toHaveLength(0);
    // It looks every two seconds.
    await clock.advance(2_500);
    expect(starts).toHaveLength(1);
  });

  it('does not hand out a spare that has died unheard', async () => {
    const pool = open(2);
    await fill();
    const [first, second] = made;
    if (first !== undefined) first.isAlive = false;
    expect(pool.take(true)).toBe(second);
    expect(first?.closes).toBe(1);
  });

  it.each<[string, (spare: FakeSpare) => void]>([
    ['is told to be lost', (spare) => spare.tellLost()],
    ['has died unheard', (spare) => (spare.isAlive = false)],
  ])('ends a spare that %s in the moment in which it becomes ready', async (_what, end) => {
    const pool = open(1);
    await starts.shift()?.finish(end);
    expect(made[0]?.closes).toBe(1);
    expect(pool.counts.ready).toBe(0);
    expect(starts).toHaveLength(0);
    await clock.advance(3_000);
    expect(starts).toHaveLength(1);
  });

  it('waits for the spare that is being made when it closes, and makes no other', async () => {
    const pool = open(2);
    let isClosed = false;
    const closing = pool.close().then(() => (isClosed = true));
    await settle();
    expect(isClosed).toBe(false);
    const [start] = starts;
    expect(start?.signal.aborted).toBe(true);
    await start?.finish();
    await closing;
    expect(made[0]?.closes).toBe(1);
    pool.look();
    await clock.advance(10_000);
    expect(starts).toHaveLength(1);
  });
});
