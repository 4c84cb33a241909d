import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import type { NodeRecord, OfferedSession } from '../../../src/cluster/directory.js';
import { SessionMoves } from '../../../src/cluster/session-moves.js';
import type { HttpResponse } from '../../../src/http/http-message.js';
import { jsonResponse } from '../../../src/http/http-message.js';
import type { Departure } from '../../../src/session/session-transfers.js';
import { settle, VirtualClock } from '../../helpers/virtual-clock.js';

const ID = 'one';
const CLOSE_TIMEOUT_MS = 10_000;
const here = { nodeId: 'here', incarnation: '1' };
const target: NodeRecord = {
  ...{ nodeId: 'there', incarnation: '2', url: 'http://there.example.org', room: 1 },
  ...{ region: undefined, gpu: false },
};

describe('a session on its way while the directory does not answer', () => {
  let clock: VirtualClock;
  let moves: SessionMoves;
  /** How nodes answer a probe, and a session; undefined: they do not. */
  let statuses: { probe: number; session: number | undefined };
  /** How long the directory takes to fail, ms. */
  let failsAfterMs: number;
  /** What it answers; undefined: it fails. */
  let answer: OfferedSession | undefined;
  let asks: number;
  let isMovable: boolean;
  let ends: string[];

  beforeEach(() => {
    clock = new VirtualClock();
    statuses = { probe: 200, session: undefined };
    [failsAfterMs, answer, asks, isMovable, ends] = [0, undefined, 0, true, []];
    const departure = {
      ...{ streamId: ID, moved: {}, archive: {} },
      handOver: () => void ends.push('taken'),
      keep: () => void ends.push('kept'),
      lose: ({ code }: { code: string }) => void ends.push(code),
    } as unknown as Departure;
    moves = new SessionMoves({
      membership: {
        ...{ identity: here, withRoom: [target], endMove: () => undefined },
        beat: () => Promise.resolve(),
        draw: () => Promise.resolve({ withRoom: [target], exists: true }),
        offer: () => Promise.resolve(true),
        withdraw: async () => {
          asks += 1;
          if (answer !== undefined) return answer;
          await new Promise<void>((resolve) => void clock.after(failsAfterMs, resolve));
          throw new Error('away');
        },
      },
      passer: {
        pass: ({ nodeId }, { method }): Promise<HttpResponse> => {
          const status = method === 'HEAD' ? statuses.probe : statuses.session;
          return status === undefined
            ? Promise.reject(new Error(`${nodeId} does not answer`))
            : Promise.resolve(jsonResponse(status, { taken: false }));
        },
      },
      transfers: {
        movable: () => (isMovable ? [ID] : []),
        placementOf: () => ({}),
        depart: () => {
          isMovable = false;
          return Promise.resolve(departure);
        },
      },
      ...{ nodeId: 'here', region: undefined, clock, logger: silentLogger },
    });
  });

  afterEach(async () => {
    const closing = moves.close();
    await clock.advance(CLOSE_TIMEOUT_MS);
    await closing;
    // A question that is under way is answered still.
    await clock.advance(5000);
    expect(clock.pendingTimers).toBe(0);
  });

  async function begin(): Promise<void> {
    moves.begin();
    await settle();
    expect([asks, ends]).toEqual([1, []]);
  }

  for (const outcome of ['taken', 'kept'] as const) {
    it(`is ${outcome} once the directory says so`, async () => {
      await begin();
      await clock.advance(59_000);
      expect(ends).toEqual([]);
      answer = outcome;
      await clock.advance(500);
      expect(ends).toEqual([outcome]);
    });
  }

  it('is asked after in the directory if the node answers with an error', async () => {
    statuses.session = 503;
    await begin();
    answer = 'taken';
    await clock.advance(500);
    expect(ends).toEqual(['taken']);
  });

  it.each([0, 1500])('is lost after a minute if each question takes %i ms', async (ms) => {
    failsAfterMs = ms;
    await begin();
    await clock.advance(57_500);
    expect(ends).toEqual([]);
    await clock.advance(5000);
    expect(ends).toEqual(['node_lost']);
  });

  it('is lost once closing has waited for it', async () => {
    await begin();
    const closing = moves.close();
    await clock.advance(CLOSE_TIMEOUT_MS - 1);
    expect(ends).toEqual([]);
    await clock.advance(501);
    expect(ends).toEqual(['node_lost']);
    await closing;
  });

  it('goes on here if the only other node answers a probe with an error', async () => {
    statuses.probe = 503;
    moves.begin();
    await clock.advance(5000);
    expect([isMovable, ends]).toEqual([true, []]);
  });
});
