import { Readable } from 'node:stream';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import type { ClusterDirectory } from '../../../src/cluster/directory.js';
import { Membership } from '../../../src/cluster/membership.js';
import { MemoryDirectory } from '../../../src/cluster/memory-directory.js';
import { moveMessage } from '../../../src/cluster/move-message.js';
import { SessionArrivals } from '../../../src/cluster/session-arrivals.js';
import type { HttpResponse } from '../../../src/http/http-message.js';
import type { RouteCall } from '../../../src/http/route-handler.js';
import type { PassingProfile } from '../../../src/profiles/passing-profile.js';
import type { MovedSession } from '../../../src/session/moved-session.js';
import { codeOf } from '../../helpers/session-harness.js';
import { settle, VirtualClock } from '../../helpers/virtual-clock.js';

const ID = 'one';
const TOKEN = 'offered';
const sender = { nodeId: 'there', incarnation: '2', url: 'http://there.example.org', room: 0 };
/** For as long as the other node may ask whose the session is. */
const MAX_TAKING_MS = 120_000;

describe('a session that another node sends', () => {
  let clock: VirtualClock;
  let directory: MemoryDirectory;
  let membership: Membership;
  let arrivals: SessionArrivals;
  /** What the directory does not answer; what it is asked for happens all the same. */
  let silent: Set<keyof ClusterDirectory>;
  let owned: string[];
  let hasEnded: boolean;
  let ends: string[];

  beforeEach(async () => {
    clock = new VirtualClock();
    directory = new MemoryDirectory(clock);
    [silent, owned, hasEnded, ends] = [new Set(), [], false, []];
    const reached = new Proxy(directory, {
      get: (target, name: keyof ClusterDirectory) => {
        const ask = target[name].bind(target) as (...given: unknown[]) => Promise<unknown>;
        return async (...given: unknown[]) => {
          const answer = await ask(...given);
          if (silent.has(name)) throw new Error('away');
          return answer;
        };
      },
    });
    membership = new Membership({
      ...{ directory: reached, nodeId: 'here', url: 'http://here.example.org', room: () => 1 },
      ...{ features: () => ({ region: undefined, gpu: false }), owned: () => owned },
      ...{ onFenced: () => undefined, onRenew: () => undefined, clock, logger: silentLogger },
    });
    await beatOfSender();
    await directory.claim(sender, [ID]);
    await directory.offer(sender, ID, TOKEN);
    arrivals = new SessionArrivals({
      ...{ membership, clock, logger: silentLogger },
      transfers: {
        receive: () =>
          Promise.resolve({
            get hasEnded() {
              return hasEnded;
            },
            adopt: () => {
              owned.push(ID);
              ends.push('adopted');
            },
            abandon: () => Promise.resolve(void ends.push('abandoned')),
          }),
      },
    });
  });

  afterEach(async () => {
    await membership.close();
    expect(clock.pendingTimers).toBe(0);
  });

  async function beatOfSender(): Promise<void> {
    await directory.beat({ ...sender, region: undefined, gpu: false }, []);
  }

  /** Nothing of the other node's lease lapses meanwhile. */
  async function pass(ms: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += 500) {
      await beatOfSender();
      await clock.advance(Math.min(500, ms - passedMs));
    }
  }

  function receive(): { settled: boolean; readonly answer: Promise<HttpResponse> } {
    const archive = { source: { key: '' }, read: () => Readable.from([]) } as unknown as PassingProfile;
    const readChunks = (): AsyncIterable<Uint8Array> => moveMessage(TOKEN, {} as MovedSession, archive);
    const answer = arrivals.answer({
      streamId: ID,
      request: { readChunks },
      caller: {},
    } as unknown as RouteCall);
    const received = { settled: false, answer };
    const settled = (): void => void (received.settled = true);
    answer.then(settled, settled);
    return received;
  }

  function taken(response: HttpResponse): unknown {
    return JSON.parse(response.body as string);
  }

  async function ownerOf(): Promise<unknown> {
    const found = await directory.find(ID);
    return found.kind === 'owned' ? found.node.nodeId : found.kind;
  }

  it('is taken once the directory says so, even after most of a minute', async () => {
    silent.add('take');
    const received = receive();
    await pass(55_000);
    expect([received.settled, ends]).toEqual([false, []]);
    silent.clear();
    await pass(500);
    expect(taken(await received.answer)).toEqual({ taken: true });
    expect([ends, await ownerOf()]).toEqual([['adopted'], 'here']);
  });

  it('is not taken if it is not offered any more', async () => {
    await directory.withdraw(sender, ID);
    expect(taken(await receive().answer)).toEqual({ taken: false, code: 'conflict' });
    expect([ends, await ownerOf()]).toEqual([['abandoned'], 'there']);
  });

  it('is given up with an error as the answer if the directory never says whose it is', async () => {
    silent.add('take');
    const received = receive();
    await pass(MAX_TAKING_MS - 1000);
    expect([received.settled, ends]).toEqual([false, []]);
    await pass(1500);
    expect(await codeOf(() => received.answer)).toBe('unavailable');
    expect(ends).toEqual(['abandoned']);
  });

  it('is given up, in the directory too, if its page ends before that answers', async () => {
    silent.add('take');
    const received = receive();
    await settle();
    expect(await ownerOf()).toBe('here');
    hasEnded = true;
    await pass(500);
    expect(await codeOf(() => received.answer)).toBe('unavailable');
    expect(ends).toEqual(['abandoned']);
    await pass(5000);
    expect(await ownerOf()).toBe('unknown');
  });
});
