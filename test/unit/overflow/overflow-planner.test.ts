import { describe, expect, it } from 'vitest';

import {
  CALM_MS,
  isCalm,
  isFull,
  MOVES_PER_SECOND,
  type OverflowLoad,
  planReturns,
} from '../../../src/overflow/overflow-planner.js';

const MBPS = 1_000_000;

function load(of: Partial<OverflowLoad>): OverflowLoad {
  return { direct: 0, elsewhere: 0, seats: 100, egressBps: 0, viewerBps: 2 * MBPS, ...of };
}

function viewers(count: number, playing: readonly number[] = []): { id: number; isPlaying: boolean }[] {
  return Array.from({ length: count }, (_, id) => ({ id, isPlaying: playing.includes(id) }));
}

function returning(
  situation: Partial<Parameters<typeof planReturns>[0]> & { movable: ReturnType<typeof viewers> },
): number[] {
  return planReturns({ ...load({}), calmMs: 0, isLost: false, ...situation }).map(({ id }) => id);
}

describe('a newcomer', () => {
  const when = { viewers: 10, egressBps: 50 * MBPS };

  it.each([
    ['is served from here below both bounds', { direct: 9, egressBps: 49 * MBPS }, false],
    ['goes elsewhere once there are as many viewers as there may be', { direct: 10 }, true],
    ['goes elsewhere once as much is sent as there may be', { direct: 1, egressBps: 50 * MBPS }, true],
    ['goes elsewhere if there is no seat left', { direct: 3, seats: 0 }, true],
    ['is served from here whatever the number of those elsewhere', { direct: 9, elsewhere: 500 }, false],
  ])('%s', (_name, of, expected) => {
    expect(isFull(load(of), when)).toBe(expected);
  });

  it('is not held to a bound that was not given', () => {
    expect(
      isFull(load({ direct: 5000, egressBps: 1e12 }), { viewers: undefined, egressBps: undefined }),
    ).toBe(false);
  });
});

describe('the crowd', () => {
  const when = { viewers: 10, egressBps: 50 * MBPS };

  it.each([
    [
      'is gone when all of it is four fifths of the bound',
      { direct: 3, elsewhere: 5, egressBps: 6 * MBPS },
      true,
    ],
    ['is there while it is more than that', { direct: 4, elsewhere: 5 }, false],
    ['is there while it would send too much', { direct: 3, elsewhere: 2, egressBps: 37 * MBPS }, false],
    [
      'is gone when what it would send is four fifths',
      { direct: 3, elsewhere: 2, egressBps: 36 * MBPS },
      true,
    ],
    ['is there while there are fewer seats', { direct: 3, elsewhere: 2, seats: 1 }, false],
    ['is there while it would take the last of the seats', { direct: 3, elsewhere: 2, seats: 3 }, false],
  ])('%s', (_name, of, expected) => {
    expect(isCalm(load(of), when)).toBe(expected);
  });

  it('is gone with a bound of one viewer when one is left', () => {
    const one = { viewers: 1, egressBps: undefined };
    expect(isCalm(load({ elsewhere: 1 }), one)).toBe(true);
    expect(isCalm(load({ direct: 1, elsewhere: 1 }), one)).toBe(false);
  });
});

describe('who returns', () => {
  it('is nobody until the crowd has been gone for a while', () => {
    expect(returning({ movable: viewers(3), calmMs: CALM_MS - 1 })).toEqual([]);
    expect(returning({ movable: viewers(3), calmMs: CALM_MS })).toEqual([0, 1, 2]);
  });

  it('is bounded per second, those first who came first', () => {
    expect(MOVES_PER_SECOND).toBe(5);
    expect(returning({ movable: viewers(20), calmMs: CALM_MS })).toEqual([0, 1, 2, 3, 4]);
  });

  it('is who plays, whatever the crowd', () => {
    expect(returning({ movable: viewers(9, [7]) })).toEqual([7]);
    expect(returning({ movable: viewers(9, [7]), calmMs: CALM_MS })).toEqual([7, 0, 1, 2, 3]);
  });

  it('is everybody for whom there is a seat if the media server is lost', () => {
    expect(returning({ movable: viewers(9), isLost: true })).toEqual([0, 1, 2, 3, 4]);
    expect(returning({ movable: viewers(9), isLost: true, seats: 2 })).toEqual([0, 1]);
    expect(returning({ movable: viewers(9, [8]), isLost: true, seats: 1 })).toEqual([8]);
    expect(returning({ movable: viewers(9, [8]), isLost: true, seats: -1 })).toEqual([]);
  });
});
