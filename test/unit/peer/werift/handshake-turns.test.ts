import { beforeEach, describe, expect, it } from 'vitest';

import { type HandshakeTurn, HandshakeTurns } from '../../../../src/peer/werift/handshake-turns.js';
import { ManualClock } from '../../fanout/manual-clock.js';

let clock: ManualClock;
let turns: HandshakeTurns;
let begun: string[];

beforeEach(() => {
  clock = new ManualClock();
  turns = new HandshakeTurns();
  begun = [];
});

function take(name: string): HandshakeTurn {
  const turn = turns.take(clock);
  void turn.begun.then(() => begun.push(name));
  return turn;
}

/** Lets what has been resolved be heard of. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('handshakes in turn', () => {
  it('begin at once for four, and for the others in order as each of those ends', async () => {
    const taken = ['a', 'b', 'c', 'd', 'e', 'f'].map(take);
    await settle();
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
    taken[2]?.end();
    taken[2]?.end();
    await settle();
    expect(begun).toEqual(['a', 'b', 'c', 'd', 'e']);
    taken[0]?.end();
    await settle();
    expect(begun.at(-1)).toBe('f');
  });

  it('do not wait for those who do not answer', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) take(name);
    clock.advance(79);
    await settle();
    expect(begun).toHaveLength(4);
    clock.advance(1);
    await settle();
    expect(begun.at(-1)).toBe('e');
    clock.advance(80);
    expect(clock.pendingTimers).toBe(0);
  });

  it('are given up without a gap by whoever leaves while waiting', async () => {
    const taken = ['a', 'b', 'c', 'd', 'left', 'f'].map(take);
    await settle();
    taken[4]?.end();
    await expect(taken[4]?.begun).resolves.toBeUndefined();
    taken[0]?.end();
    await settle();
    expect(begun).toEqual(['a', 'b', 'c', 'd', 'left', 'f']);
    for (const turn of taken) turn.end();
    expect(clock.pendingTimers).toBe(0);
  });

  it('are refused to a newcomer where too many wait, until one of them has begun', () => {
    const taken = Array.from({ length: 4 + 512 }, (_, index) => take(String(index)));
    expect(() => turns.take(clock)).toThrow(expect.objectContaining({ code: 'at_capacity' }));
    taken[0]?.end();
    expect(() => turns.take(clock)).not.toThrow();
  });
});
