import { beforeEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import { BEAT_MS, type ClusterDirectory, LEASE_MS } from '../../../src/cluster/directory.js';
import { Membership } from '../../../src/cluster/membership.js';
import { MemoryDirectory } from '../../../src/cluster/memory-directory.js';
import { codeOf } from '../../helpers/session-harness.js';
import { settle, VirtualClock } from '../../helpers/virtual-clock.js';

describe('the part of a node in its cluster', () => {
  let clock: VirtualClock;
  let directory: MemoryDirectory;

  beforeEach(() => {
    clock = new VirtualClock();
    directory = new MemoryDirectory(clock);
  });

  interface Joined {
    readonly membership: Membership;
    readonly owned: Set<string>;
    fenced: number;
    away: boolean;
    /** Nothing of its time passes. */
    frozen: boolean;
  }

  function join(nodeId: string): Joined {
    const owned = new Set<string>();
    const node = { owned, fenced: 0, away: false, frozen: false } as {
      -readonly [Key in keyof Joined]: Joined[Key];
    };
    const reached = new Proxy(directory, {
      get: (target, name: keyof ClusterDirectory) =>
        node.away ? () => Promise.reject(new Error('away')) : target[name].bind(target),
    });
    node.membership = new Membership({
      directory: reached,
      nodeId,
      url: `http://${nodeId}.example.org`,
      room: () => 1,
      features: () => ({ region: nodeId, gpu: false }),
      owned: () => owned,
      onFenced: () => void (node.fenced += 1),
      onRenew: () => undefined,
      clock: {
        ...{ nowUs: () => clock.nowUs(), wallMs: () => clock.wallMs() },
        after: (ms, callback) => clock.after(ms, callback),
        every: (ms, callback) => clock.every(ms, () => (node.frozen ? undefined : callback())),
      },
      logger: silentLogger,
    });
    return node;
  }

  it('tells of a node that was lost within 5 s, and that one when it comes back', async () => {
    const [a, b] = [join('a'), join('b')];
    a.owned.add('one');
    await clock.advance(10_000);
    expect(await b.membership.find('one')).toMatchObject({ kind: 'owned', node: { nodeId: 'a' } });
    let lost = 0;
    b.membership.watch(a.membership.identity, () => (lost += 1));
    const stop = b.membership.watch(a.membership.identity, () => (lost += 10));
    stop();
    a.frozen = true;
    await clock.advance(LEASE_MS - BEAT_MS - 1);
    expect(lost).toBe(0);
    await clock.advance(5000 - (LEASE_MS - BEAT_MS - 1));
    expect(lost).toBe(1);
    const before = a.membership.identity;
    a.frozen = false;
    await clock.advance(2 * BEAT_MS);
    expect([a.fenced, b.fenced]).toEqual([1, 0]);
    expect(a.membership.identity.incarnation).not.toBe(before.incarnation);
    await a.membership.checkHeld();
    await Promise.all([a.membership.close(), b.membership.close()]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('says nothing of its sessions after it stood still until it knows whether they were declared lost', async () => {
    const [a, b] = [join('a'), join('b')];
    a.owned.add('one');
    await clock.advance(10_000);
    await a.membership.whenCertain();
    a.frozen = true;
    await clock.advance(LEASE_MS + BEAT_MS);
    expect(await b.membership.find('one')).toEqual({ kind: 'lost' });
    expect(a.fenced).toBe(0);
    await a.membership.whenCertain();
    expect(a.fenced).toBe(1);
    // As long as the directory is away it cannot know, and a directory that comes back empty cannot tell.
    a.frozen = false;
    await clock.advance(2 * BEAT_MS);
    a.frozen = true;
    await clock.advance(LEASE_MS + BEAT_MS);
    a.away = true;
    expect(await codeOf(() => a.membership.whenCertain())).toBe('unavailable');
    await directory.leave(a.membership.identity);
    a.away = false;
    await a.membership.whenCertain();
    expect(a.fenced).toBe(2);
    await Promise.all([a.membership.close(), b.membership.close()]);
  });

  it('gives its sessions up after it stood still, if the directory cannot tell what became of them', async () => {
    const a = join('a');
    await clock.advance(10_000);
    for (const [silentMs, fenced] of [
      [BEAT_MS, 0],
      [LEASE_MS, 1],
    ] as const) {
      a.frozen = true;
      await clock.advance(silentMs);
      await directory.leave(a.membership.identity);
      a.frozen = false;
      await clock.advance(2 * BEAT_MS);
      expect(a.fenced).toBe(fenced);
      await a.membership.checkHeld();
    }
    await a.membership.close();
  });

  it('names sessions as they come and go', async () => {
    const [a, b] = [join('a'), join('b')];
    await settle();
    await a.membership.announce('one');
    a.owned.add('one').add('two');
    expect((await b.membership.find('one')).kind).toBe('owned');
    await clock.advance(BEAT_MS);
    expect((await b.membership.find('two')).kind).toBe('owned');
    await clock.advance(10 * 60_000);
    expect((await b.membership.find('two')).kind).toBe('owned');
    a.owned.delete('two');
    await clock.advance(BEAT_MS);
    expect((await b.membership.find('two')).kind).toBe('unknown');
    await a.membership.close();
    expect((await b.membership.find('one')).kind).toBe('unknown');
    await b.membership.close();
  });

  it('finds what it has found before while the directory is away, and takes nothing new', async () => {
    const [a, b] = [join('a'), join('b')];
    a.owned.add('one').add('two');
    await clock.advance(BEAT_MS);
    await b.membership.find('one');
    b.away = true;
    expect((await b.membership.find('one')).kind).toBe('owned');
    expect(await codeOf(() => b.membership.find('two'))).toBe('unavailable');
    expect(await codeOf(() => b.membership.announce('three'))).toBe('unavailable');
    await clock.advance(BEAT_MS);
    expect(await codeOf(() => b.membership.checkHeld())).toBe('unavailable');
    b.away = false;
    await clock.advance(BEAT_MS);
    await b.membership.checkHeld();
    expect((await b.membership.find('two')).kind).toBe('owned');
    await Promise.all([a.membership.close(), b.membership.close()]);
  });

  it('takes no sessions under a name that another one has', async () => {
    const [first, second] = [join('a'), join('a')];
    await settle();
    await first.membership.checkHeld();
    expect(await codeOf(() => second.membership.checkHeld())).toBe('unavailable');
    await first.membership.close();
    await clock.advance(BEAT_MS);
    await second.membership.checkHeld();
    await second.membership.close();
  });
});
