import { randomUUID } from 'node:crypto';

import { beforeEach, describe, expect, it } from 'vitest';

import type { BeatAnswer, ClusterDirectory, NodeIdentity, NodeRecord } from '../../src/cluster/directory.js';
import type { PlacementRequest } from '../../src/protocol/session-requests.js';
import {
  COUNT_KEPT_MS,
  IDEMPOTENCY_KEPT_MS,
  IDEMPOTENCY_PENDING_MS,
  LEASE_MS,
  MAX_NODES_TOLD,
  SESSION_KEPT_MS,
} from '../../src/cluster/directory.js';
import type { ServerFeatures } from '../../src/session/placement.js';

/** A directory that is new, and how its time passes. */
export interface DirectoryUnderTest {
  readonly directory: ClusterDirectory;
  readonly advance: (ms: number) => Promise<void>;
}

export function nodeRecord(nodeId: string, room = 1, features: Partial<ServerFeatures> = {}): NodeRecord {
  const url = `http://${nodeId}.example.org/stream`;
  return { nodeId, incarnation: randomUUID(), url, room, gpu: false, ...features };
}

/** What every directory does. */
export function directoryContract(name: string, open: () => Promise<DirectoryUnderTest>): void {
  describe(`the directory ${name}`, () => {
    let directory: ClusterDirectory;
    let advance: (ms: number) => Promise<void>;
    const a = nodeRecord('a');
    const b = nodeRecord('b', 2);

    /** Time passes, and these nodes beat all the while. */
    async function live(ms: number, ...nodes: NodeRecord[]): Promise<void> {
      for (let left = ms; left > 0; left -= 1000) {
        await advance(Math.min(left, 1000));
        for (const node of nodes) await directory.beat(node, []);
      }
    }

    beforeEach(async () => {
      ({ directory, advance } = await open());
      await directory.beat(a, []);
      await directory.beat(b, []);
      await live(LEASE_MS + 1000, a, b);
    });

    const byId = (nodes: readonly NodeRecord[]): NodeRecord[] =>
      nodes.toSorted((one, other) => (one.nodeId < other.nodeId ? -1 : 1));

    async function held(
      node: NodeRecord,
      watched: readonly NodeIdentity[] = [],
    ): Promise<Extract<BeatAnswer, { outcome: 'held' }>> {
      const answer = await directory.beat(node, watched);
      if (answer.outcome !== 'held') throw new Error(answer.outcome);
      return answer;
    }

    it('tells each node of those that live', async () => {
      const { known, count, withRoom } = await held({ ...a, room: 7 });
      expect([known, count]).toEqual([true, 2]);
      expect(byId(withRoom)).toEqual([{ ...a, room: 7 }, b]);
      expect(byId(await directory.nodes())).toEqual([{ ...a, room: 7 }, b]);
      await live(LEASE_MS, b);
      expect(await held(b)).toMatchObject({ count: 1, withRoom: [b] });
      expect(await directory.nodes()).toEqual([b]);
    });

    it('tells of no node that has no room, until it has', async () => {
      expect((await held({ ...a, room: 0 })).withRoom).toEqual([b]);
      expect(byId(await directory.nodes())).toEqual([{ ...a, room: 0 }, b]);
      expect((await held(b)).withRoom).toEqual([b]);
      await directory.beat(a, []);
      expect(byId((await held(b)).withRoom)).toEqual([a, b]);
    });

    it('draws from many nodes, each as likely as the others', async () => {
      const many = Array.from({ length: 2 * MAX_NODES_TOLD - 2 }, (_, at) => nodeRecord(`node-${at}`));
      for (const node of many) await directory.beat(node, []);
      const told = new Map<string, number>();
      for (let beat = 0; beat < 100; beat++) {
        const { count, withRoom } = await held(a);
        expect(count).toBe(2 * MAX_NODES_TOLD);
        expect(new Set(withRoom.map(({ nodeId }) => nodeId)).size).toBe(MAX_NODES_TOLD);
        for (const { nodeId } of withRoom) told.set(nodeId, (told.get(nodeId) ?? 0) + 1);
      }
      // 50 of 100 on average with a standard deviation of 5: six of them leave one test in a million to chance.
      for (const times of told.values()) expect(Math.abs(times - 50)).toBeLessThan(30);
      expect(told.size).toBe(2 * MAX_NODES_TOLD);
    });

    it('tells of those that live where most are gone', async () => {
      const many = Array.from({ length: 10 * MAX_NODES_TOLD }, (_, at) => nodeRecord(`node-${at}`));
      for (const node of many) await directory.beat(node, []);
      await live(LEASE_MS, a, b);
      for (let beat = 0; beat < 10; beat++) expect(byId((await held(a)).withRoom)).toEqual([a, b]);
    });

    describe('where sessions need something of their node', () => {
      const eu = nodeRecord('eu', 1, { region: 'eu' });
      const euGpu = nodeRecord('eu-gpu', 2, { region: 'eu', gpu: true });
      const gpu = nodeRecord('gpu', 1, { gpu: true });

      beforeEach(async () => {
        for (const node of [eu, euGpu, gpu]) await directory.beat(node, []);
      });

      it('draws those that have it', async () => {
        const drawn = async (need: PlacementRequest): Promise<NodeRecord[]> => {
          const { withRoom, exists } = await directory.draw(need);
          expect(exists).toBe(withRoom.length > 0);
          return byId(withRoom);
        };
        expect(await drawn({ region: 'eu' })).toEqual([eu, euGpu]);
        expect(await drawn({ region: 'eu', gpu: false })).toEqual([eu, euGpu]);
        expect(await drawn({ gpu: true })).toEqual([euGpu, gpu]);
        expect(await drawn({ region: 'eu', gpu: true })).toEqual([euGpu]);
        expect(await drawn({ region: 'us' })).toEqual([]);
        expect(await drawn({ region: 'us', gpu: true })).toEqual([]);
      });

      it('tells one that is full from one that is not there', async () => {
        await directory.beat({ ...euGpu, room: 0 }, []);
        const need = { region: 'eu', gpu: true };
        expect(await directory.draw(need)).toEqual({ withRoom: [], exists: true });
        expect((await directory.draw({ gpu: true })).withRoom).toEqual([gpu]);
        await directory.beat({ ...euGpu, room: 3 }, []);
        expect((await directory.draw(need)).withRoom).toEqual([{ ...euGpu, room: 3 }]);
      });

      it('forgets those that are gone, and those that have it no more', async () => {
        await live(LEASE_MS + 1000, a, b, eu, { ...gpu, gpu: false });
        expect(await directory.draw({ gpu: true })).toEqual({ withRoom: [], exists: false });
        expect((await directory.draw({ region: 'eu' })).withRoom).toEqual([eu]);
        await directory.leave(eu);
        expect((await directory.draw({ region: 'eu' })).withRoom).toEqual([]);
        // A process that is started anew somewhere else.
        const us = nodeRecord('eu', 1, { region: 'us' });
        await directory.beat(us, []);
        expect((await directory.draw({ region: 'eu' })).withRoom).toEqual([]);
        expect((await directory.draw({ region: 'us' })).withRoom).toEqual([us]);
      });

      it('draws from many, each as likely as the others', async () => {
        const many = Array.from({ length: 2 * MAX_NODES_TOLD }, (_, at) =>
          nodeRecord(`node-${at}`, 1, { region: 'us' }),
        );
        for (const node of many) await directory.beat(node, []);
        const told = new Map<string, number>();
        for (let turn = 0; turn < 100; turn++) {
          const { withRoom } = await directory.draw({ region: 'us' });
          expect(new Set(withRoom.map(({ nodeId }) => nodeId)).size).toBe(MAX_NODES_TOLD);
          for (const { nodeId } of withRoom) told.set(nodeId, (told.get(nodeId) ?? 0) + 1);
        }
        // 50 of 100 on average with a standard deviation of 5.
        for (const times of told.values()) expect(Math.abs(times - 50)).toBeLessThan(30);
        expect(told.size).toBe(2 * MAX_NODES_TOLD);
      });
    });

    it('says which of the watched nodes are missing', async () => {
      const gone = nodeRecord('gone');
      expect((await held(a, [b, gone])).missing).toEqual([gone]);
      await live(LEASE_MS, a);
      expect((await held(a, [b])).missing).toEqual([b]);
    });

    it('finds a session at the node that has claimed it', async () => {
      expect(await directory.find('one')).toEqual({ kind: 'unknown' });
      expect(await directory.claim(a, ['one', 'two'])).toEqual([]);
      expect(await directory.find('one')).toEqual({ kind: 'owned', node: a });
      expect(await directory.find('two')).toEqual({ kind: 'owned', node: a });
    });

    it('forgets a session that its owner has released, and none of another', async () => {
      await directory.claim(a, ['one', 'two']);
      await directory.release(b, ['one', 'two']);
      await directory.release(a, ['one']);
      expect(await directory.find('one')).toEqual({ kind: 'unknown' });
      expect(await directory.find('two')).toEqual({ kind: 'owned', node: a });
    });

    it('forgets a session of which its owner says nothing more', async () => {
      await directory.claim(a, ['one', 'two']);
      await live(SESSION_KEPT_MS - 5000, a, b);
      await directory.claim(a, ['two']);
      await live(6000, a, b);
      expect(await directory.find('one')).toEqual({ kind: 'unknown' });
      expect(await directory.find('two')).toEqual({ kind: 'owned', node: a });
    });

    it('lets nobody claim what a live node has', async () => {
      await directory.claim(a, ['one']);
      expect(await directory.claim(b, ['one', 'two'])).toEqual(['one']);
      expect(await directory.find('one')).toEqual({ kind: 'owned', node: a });
    });

    it('lets a node take a session that another one offers, once', async () => {
      await directory.claim(a, ['one', 'two']);
      expect(await directory.offer(b, 'one', 'token')).toBe(false);
      expect(await directory.offer(a, 'other', 'token')).toBe(false);
      expect(await directory.take(b, 'one', 'token')).toBe(false);
      expect(await directory.offer(a, 'one', 'token')).toBe(true);
      expect(await directory.find('one')).toEqual({ kind: 'owned', node: a });
      expect(await directory.take(b, 'one', 'another')).toBe(false);
      expect(await directory.take(b, 'two', 'token')).toBe(false);
      expect(await directory.take(b, 'one', 'token')).toBe(true);
      // Its answer may have been lost.
      expect(await directory.take(b, 'one', 'token')).toBe(true);
      expect(await directory.find('one')).toEqual({ kind: 'owned', node: b });
      expect(await directory.find('two')).toEqual({ kind: 'owned', node: a });
      expect(await directory.withdraw(a, 'one')).toBe('taken');
      expect(await directory.claim(a, ['one', 'two'])).toEqual(['one']);
      await directory.release(a, ['one']);
      expect(await directory.find('one')).toEqual({ kind: 'owned', node: b });
      expect(await directory.take(a, 'one', 'token')).toBe(false);
    });

    it('ends an offer that is withdrawn, or followed by another one', async () => {
      await directory.claim(a, ['one']);
      await directory.offer(a, 'one', 'first');
      await directory.offer(a, 'one', 'second');
      expect(await directory.take(b, 'one', 'first')).toBe(false);
      expect(await directory.withdraw(a, 'one')).toBe('kept');
      expect(await directory.take(b, 'one', 'second')).toBe(false);
      expect(await directory.take(b, 'one', '')).toBe(false);
      expect(await directory.withdraw(a, 'never')).toBe('kept');
      await directory.offer(a, 'one', 'third');
      await directory.release(a, ['one']);
      expect(await directory.take(b, 'one', 'third')).toBe(false);
      expect(await directory.find('one')).toEqual({ kind: 'unknown' });
    });

    it('lets nobody take the session of a silent node, or give it to one', async () => {
      await directory.claim(a, ['one']);
      await directory.offer(a, 'one', 'token');
      await live(LEASE_MS, b);
      expect(await directory.take(b, 'one', 'token')).toBe(false);
      expect(await directory.withdraw(a, 'one')).toBe('lost');
      expect(await directory.offer(a, 'one', 'another')).toBe(false);
      // It comes back before anybody has missed it, and the offer that it has withdrawn does not.
      expect(await directory.beat(a, [])).toMatchObject({ outcome: 'held', known: true });
      expect(await directory.take(b, 'one', 'token')).toBe(false);
      await directory.offer(a, 'one', 'last');
      await live(LEASE_MS, a);
      expect(await directory.take(b, 'one', 'last')).toBe(false);
      expect(await directory.find('one')).toEqual({ kind: 'owned', node: a });
      await live(LEASE_MS, b);
      expect(await directory.find('one')).toEqual({ kind: 'lost' });
      expect(await directory.withdraw(a, 'one')).toBe('lost');
    });

    it('declares the sessions of a silent node lost, for good', async () => {
      await directory.claim(a, ['one']);
      await live(1000, b);
      expect(await directory.find('one')).toEqual({ kind: 'owned', node: a });
      await live(LEASE_MS - 1000, b);
      expect(await directory.find('one')).toEqual({ kind: 'lost' });
      expect(await directory.claim(a, ['two'])).toEqual(['two']);
      expect(await directory.beat(a, [])).toEqual({ outcome: 'fenced' });
      expect(await directory.find('one')).toEqual({ kind: 'lost' });
      const again = nodeRecord('a');
      expect(await directory.beat(again, [])).toMatchObject({ outcome: 'held', known: false });
      expect(await directory.find('one')).toEqual({ kind: 'lost' });
      expect(await directory.claim(again, ['one'])).toEqual([]);
      expect(await directory.find('one')).toEqual({ kind: 'owned', node: again });
    });

    it('lets a node come back that nobody has missed', async () => {
      await directory.claim(a, ['one']);
      await live(LEASE_MS + 5000, b);
      expect(await directory.beat(a, [])).toMatchObject({ outcome: 'held', known: true });
      expect(await directory.find('one')).toEqual({ kind: 'owned', node: a });
    });

    it('fences a node only when its lease has lapsed', async () => {
      expect(await directory.fence(a)).toBe('alive');
      await live(LEASE_MS, b);
      expect(await directory.fence(a)).toBe('lost');
      expect(await directory.beat(a, [])).toEqual({ outcome: 'fenced' });
      expect(await directory.fence(nodeRecord('never'))).toBe('lost');
    });

    it('gives one name to one process at a time', async () => {
      const second = nodeRecord('a');
      expect(await directory.beat(second, [])).toEqual({ outcome: 'taken' });
      await directory.claim(a, ['one']);
      await live(LEASE_MS, b);
      expect(await directory.beat(second, [])).toMatchObject({ outcome: 'held', known: false });
      expect(await directory.beat(a, [])).toEqual({ outcome: 'taken' });
      expect(await directory.claim(a, ['two'])).toEqual(['two']);
      expect(await directory.find('one')).toEqual({ kind: 'lost' });
    });

    it('gives the name of a node that has left to the next at once', async () => {
      await directory.claim(a, ['one']);
      await directory.release(a, ['one']);
      await directory.leave(nodeRecord('a'));
      expect(await directory.beat(a, [])).toMatchObject({ outcome: 'held', known: true });
      await directory.leave(a);
      expect(await directory.beat(nodeRecord('a'), [])).toMatchObject({ outcome: 'held', known: false });
    });

    it('declares nobody lost before its nodes had time to come back to a directory that stood still', async () => {
      ({ directory, advance } = await open());
      await directory.beat(a, []);
      await directory.claim(a, ['one']);
      await advance(LEASE_MS + 1000);
      expect(await directory.find('one')).toEqual({ kind: 'unsettled' });
      expect(await directory.fence(a)).toBe('unsettled');
      await directory.beat(b, []);
      expect(await directory.find('one')).toEqual({ kind: 'unsettled' });
      expect(await directory.beat(a, [])).toMatchObject({ outcome: 'held', known: true });
      expect(await directory.find('one')).toEqual({ kind: 'owned', node: a });
      for (let passed = 0; passed <= LEASE_MS; passed += 1000) {
        await advance(1000);
        await directory.beat(b, []);
      }
      expect(await directory.find('one')).toEqual({ kind: 'lost' });
    });

    it('calls nothing unknown before its nodes had time to name it to a directory that is new', async () => {
      ({ directory, advance } = await open());
      expect(await directory.beat(a, [])).toMatchObject({ known: false });
      expect(await directory.find('one')).toEqual({ kind: 'unsettled' });
      for (let passed = 0; passed <= LEASE_MS; passed += 1000) {
        await advance(1000);
        await directory.beat(a, []);
      }
      expect(await directory.find('one')).toEqual({ kind: 'unknown' });
    });

    it('takes from a bucket until it is empty, and again with time', async () => {
      const limit = { perSecond: 2, burst: 3 };
      for (let taken = 0; taken < 3; taken++) expect(await directory.takeToken('bucket', limit)).toBe(0);
      const waitMs = await directory.takeToken('bucket', limit);
      expect(waitMs).toBeGreaterThan(0);
      expect(waitMs).toBeLessThanOrEqual(500);
      expect(await directory.takeToken('other', limit)).toBe(0);
      await advance(1500);
      expect(await directory.takeToken('bucket', limit)).toBe(0);
    });

    it('counts what all live nodes have, and refuses more', async () => {
      expect(await directory.setCount(a, 'viewers', 2, 3)).toBe(true);
      expect(await directory.setCount(b, 'viewers', 2, 3)).toBe(false);
      expect(await directory.setCount(b, 'viewers', 1, 3)).toBe(true);
      expect(await directory.setCount(a, 'viewers', 3, 3)).toBe(false);
      expect(await directory.setCount(a, 'sessions', 3, 3)).toBe(true);
      await directory.setCount(a, 'viewers', 0);
      expect(await directory.setCount(b, 'viewers', 3, 3)).toBe(true);
      // Without a bound it is what it is.
      expect(await directory.setCount(a, 'viewers', 7)).toBe(true);
      expect(await directory.setCount(b, 'viewers', 1, 7)).toBe(false);
    });

    it('does not count what a node has that is gone, and does when it is back', async () => {
      await directory.setCount(a, 'viewers', 2);
      await live(LEASE_MS + 1000, b);
      expect(await directory.setCount(b, 'viewers', 1, 1)).toBe(true);
      await directory.beat(a, []);
      expect(await directory.setCount(b, 'viewers', 1, 1)).toBe(false);
      await live(LEASE_MS + 1000, b);
      expect(await directory.fence(a)).toBe('lost');
      expect(await directory.setCount(b, 'viewers', 1, 1)).toBe(true);
      await live(COUNT_KEPT_MS, b);
      expect(await directory.setCount(b, 'viewers', 1, 1)).toBe(true);
    });

    it('answers an idempotency key once', async () => {
      const done = { fingerprint: 'f', streamId: 'one' };
      expect(await directory.reserve('key', 'first')).toEqual({ state: 'reserved' });
      expect(await directory.reserve('key', 'second')).toEqual({ state: 'pending' });
      await directory.settle('key', 'second', { ...done, streamId: 'two' });
      expect(await directory.reserve('key', 'third')).toEqual({ state: 'pending' });
      await directory.settle('key', 'first', done);
      expect(await directory.reserve('key', 'fourth')).toEqual({ state: 'done', ...done });
      await advance(IDEMPOTENCY_KEPT_MS + 1);
      expect(await directory.reserve('key', 'fifth')).toEqual({ state: 'reserved' });
    });

    it('gives an idempotency key free of which nothing came', async () => {
      await directory.reserve('key', 'first');
      await directory.abandon('key', 'second');
      expect(await directory.reserve('key', 'second')).toEqual({ state: 'pending' });
      await directory.abandon('key', 'first');
      expect(await directory.reserve('key', 'second')).toEqual({ state: 'reserved' });
      await advance(IDEMPOTENCY_PENDING_MS + 1);
      expect(await directory.reserve('key', 'third')).toEqual({ state: 'reserved' });
      await directory.settle('key', 'second', { fingerprint: 'f', streamId: 'one' });
      expect(await directory.reserve('key', 'fourth')).toEqual({ state: 'pending' });
    });
  });
}
