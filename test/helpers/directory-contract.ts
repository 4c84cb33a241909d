import { randomUUID } from 'node:crypto';

import { beforeEach, describe, expect, it } from 'vitest';

import type { ClusterDirectory, NodeRecord } from '../../src/cluster/directory.js';
import {
  IDEMPOTENCY_KEPT_MS,
  IDEMPOTENCY_PENDING_MS,
  LEASE_MS,
  SESSION_KEPT_MS,
} from '../../src/cluster/directory.js';

/** A directory that is new, and how its time passes. */
export interface DirectoryUnderTest {
  readonly directory: ClusterDirectory;
  readonly advance: (ms: number) => Promise<void>;
}

export function nodeRecord(nodeId: string, room = 1): NodeRecord {
  return { nodeId, incarnation: randomUUID(), url: `http://${nodeId}.example.org/stream`, room };
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
        for (const node of nodes) await directory.beat(node);
      }
    }

    beforeEach(async () => {
      ({ directory, advance } = await open());
      await directory.beat(a);
      await directory.beat(b);
      await live(LEASE_MS + 1000, a, b);
    });

    it('tells each node of all that live', async () => {
      const answer = await directory.beat({ ...a, room: 7 });
      if (answer.outcome !== 'held') throw new Error(answer.outcome);
      expect(answer.known).toBe(true);
      const byId = new Map(answer.nodes.map((node) => [node.nodeId, node]));
      expect(byId).toEqual(
        new Map([
          ['a', { ...a, room: 7 }],
          ['b', b],
        ]),
      );
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

    it('declares the sessions of a silent node lost, for good', async () => {
      await directory.claim(a, ['one']);
      await live(1000, b);
      expect(await directory.find('one')).toEqual({ kind: 'owned', node: a });
      await live(LEASE_MS - 1000, b);
      expect(await directory.find('one')).toEqual({ kind: 'lost' });
      expect(await directory.claim(a, ['two'])).toEqual(['two']);
      expect(await directory.beat(a)).toEqual({ outcome: 'fenced' });
      expect(await directory.find('one')).toEqual({ kind: 'lost' });
      const again = nodeRecord('a');
      expect(await directory.beat(again)).toMatchObject({ outcome: 'held', known: false });
      expect(await directory.find('one')).toEqual({ kind: 'lost' });
      expect(await directory.claim(again, ['one'])).toEqual([]);
      expect(await directory.find('one')).toEqual({ kind: 'owned', node: again });
    });

    it('lets a node come back that nobody has missed', async () => {
      await directory.claim(a, ['one']);
      await live(LEASE_MS + 5000, b);
      expect(await directory.beat(a)).toMatchObject({ outcome: 'held', known: true });
      expect(await directory.find('one')).toEqual({ kind: 'owned', node: a });
    });

    it('fences a node only when its lease has lapsed', async () => {
      expect(await directory.fence(a)).toBe('alive');
      await live(LEASE_MS, b);
      expect(await directory.fence(a)).toBe('lost');
      expect(await directory.beat(a)).toEqual({ outcome: 'fenced' });
      expect(await directory.fence(nodeRecord('never'))).toBe('lost');
    });

    it('gives one name to one process at a time', async () => {
      const second = nodeRecord('a');
      expect(await directory.beat(second)).toEqual({ outcome: 'taken' });
      await directory.claim(a, ['one']);
      await live(LEASE_MS, b);
      expect(await directory.beat(second)).toMatchObject({ outcome: 'held', known: false });
      expect(await directory.beat(a)).toEqual({ outcome: 'taken' });
      expect(await directory.claim(a, ['two'])).toEqual(['two']);
      expect(await directory.find('one')).toEqual({ kind: 'lost' });
    });

    it('gives the name of a node that has left to the next at once', async () => {
      await directory.claim(a, ['one']);
      await directory.release(a, ['one']);
      await directory.leave(nodeRecord('a'));
      expect(await directory.beat(a)).toMatchObject({ outcome: 'held', known: true });
      await directory.leave(a);
      expect(await directory.beat(nodeRecord('a'))).toMatchObject({ outcome: 'held', known: false });
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
