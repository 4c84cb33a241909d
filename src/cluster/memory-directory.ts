import type { Clock } from '../base/clock.js';
import type { PlacementRequest } from '../protocol/session-requests.js';
import { fitsPlacement } from '../session/placement.js';
import type {
  BeatAnswer,
  BucketLimit,
  ClusterDirectory,
  DrawnNodes,
  FoundSession,
  NodeIdentity,
  NodeRecord,
  OfferedSession,
  Reservation,
} from './directory.js';
import {
  COUNT_KEPT_MS,
  IDEMPOTENCY_KEPT_MS,
  IDEMPOTENCY_PENDING_MS,
  LEASE_MS,
  MAX_NODES_TOLD,
  SESSION_KEPT_MS,
} from './directory.js';

interface Lease {
  readonly record: NodeRecord;
  expiresAtMs: number;
  fenced: boolean;
}

interface Entry extends NodeIdentity {
  readonly expiresAtMs: number;
  /** With which another node may take it. */
  readonly offer?: string;
}

interface Key {
  readonly token: string;
  readonly expiresAtMs: number;
  readonly done: { readonly fingerprint: string; readonly streamId: string } | undefined;
}

interface Count {
  readonly node: NodeIdentity;
  readonly own: number;
  readonly expiresAtMs: number;
}

/** Most idempotency keys, buckets and names that are counted; beyond it the oldest is forgotten. */
const MAX_KEYS = 10_000;

/** The directory of nodes in one process. */
export class MemoryDirectory implements ClusterDirectory {
  readonly #clock: Pick<Clock, 'nowUs'>;
  readonly #leases = new Map<string, Lease>();
  readonly #sessions = new Map<string, Entry>();
  /** When any node beat last, and when the first one did after none had for a lease. */
  #beatAtMs = -Infinity;
  #resumedAtMs = -Infinity;
  /** Oldest first. */
  readonly #keys = new Map<string, Key>();
  /** When each bucket would be full, oldest first. */
  readonly #buckets = new Map<string, number>();
  /** Oldest first. */
  readonly #counts = new Map<string, readonly Count[]>();

  readonly #random: () => number;

  /** @param random - from 0 up to, not including, 1. */
  constructor(clock: Pick<Clock, 'nowUs'>, random: () => number = Math.random) {
    this.#clock = clock;
    this.#random = random;
  }

  beat(record: NodeRecord, watched: readonly NodeIdentity[]): Promise<BeatAnswer> {
    const nowMs = this.#nowMs();
    const lease = this.#leases.get(record.nodeId);
    const isSame = lease?.record.incarnation === record.incarnation;
    if (lease !== undefined && !isSame && lease.expiresAtMs > nowMs)
      return Promise.resolve({ outcome: 'taken' });
    if (isSame && lease.fenced) {
      this.#leases.delete(record.nodeId);
      return Promise.resolve({ outcome: 'fenced' });
    }
    if (nowMs - this.#beatAtMs > LEASE_MS) this.#resumedAtMs = nowMs;
    this.#beatAtMs = nowMs;
    // Those whose leases end last are last.
    this.#leases.delete(record.nodeId);
    this.#leases.set(record.nodeId, { record, expiresAtMs: nowMs + LEASE_MS, fenced: false });
    for (const [nodeId, { expiresAtMs }] of this.#leases) {
      if (expiresAtMs + SESSION_KEPT_MS > nowMs) break;
      this.#leases.delete(nodeId);
    }
    for (const [streamId, { expiresAtMs }] of this.#sessions) {
      if (expiresAtMs > nowMs) break;
      this.#sessions.delete(streamId);
    }
    const live = this.#live();
    return Promise.resolve({
      outcome: 'held',
      known: isSame,
      count: live.length,
      withRoom: this.#draw(live.filter(({ room }) => room > 0)),
      missing: watched.filter((node) => !this.#isAlive(node)),
    });
  }

  draw(need: PlacementRequest): Promise<DrawnNodes> {
    const fit = this.#live().filter((node) => fitsPlacement(node, need));
    return Promise.resolve({
      exists: fit.length > 0,
      withRoom: this.#draw(fit.filter(({ room }) => room > 0)),
    });
  }

  nodes(): Promise<readonly NodeRecord[]> {
    return Promise.resolve(this.#live());
  }

  leave(node: NodeIdentity): Promise<void> {
    if (this.#leaseOf(node) !== undefined) this.#leases.delete(node.nodeId);
    for (const [streamId, owner] of this.#sessions) {
      if (isSameNode(owner, node)) this.#sessions.delete(streamId);
    }
    return Promise.resolve();
  }

  claim(node: NodeIdentity, streamIds: readonly string[]): Promise<readonly string[]> {
    const lease = this.#leaseOf(node);
    if (lease === undefined || lease.fenced) return Promise.resolve(streamIds);
    const refused = streamIds.filter((streamId) => {
      const owner = this.#sessions.get(streamId);
      return owner !== undefined && !isSameNode(owner, node) && this.#isAlive(owner);
    });
    for (const streamId of streamIds) {
      if (!refused.includes(streamId)) this.#enter(streamId, node);
    }
    return Promise.resolve(refused);
  }

  offer(node: NodeIdentity, streamId: string, token: string): Promise<boolean> {
    const owner = this.#ownerOf(streamId);
    const isOwn = owner !== undefined && isSameNode(owner, node) && this.#isAlive(node);
    if (isOwn) this.#enter(streamId, node, token);
    return Promise.resolve(isOwn);
  }

  take(node: NodeIdentity, streamId: string, token: string): Promise<boolean> {
    const owner = this.#ownerOf(streamId);
    if (owner === undefined || !this.#isAlive(owner) || !this.#isAlive(node)) return Promise.resolve(false);
    if (isSameNode(owner, node)) return Promise.resolve(true);
    if (owner.offer !== token) return Promise.resolve(false);
    this.#enter(streamId, node);
    return Promise.resolve(true);
  }

  withdraw(node: NodeIdentity, streamId: string): Promise<OfferedSession> {
    const owner = this.#ownerOf(streamId);
    if (owner !== undefined && !isSameNode(owner, node)) return Promise.resolve('taken');
    if (owner !== undefined) this.#enter(streamId, node);
    return Promise.resolve(this.#isAlive(node) ? 'kept' : 'lost');
  }

  release(node: NodeIdentity, streamIds: readonly string[]): Promise<void> {
    for (const streamId of streamIds) {
      const owner = this.#sessions.get(streamId);
      if (owner !== undefined && isSameNode(owner, node)) this.#sessions.delete(streamId);
    }
    return Promise.resolve();
  }

  async find(streamId: string): Promise<FoundSession> {
    const owner = this.#ownerOf(streamId);
    if (owner === undefined) {
      return { kind: this.#isSettled() ? 'unknown' : 'unsettled' };
    }
    const fenced = await this.fence(owner);
    if (fenced !== 'alive') return { kind: fenced };
    const lease = this.#leaseOf(owner);
    return lease === undefined ? { kind: 'lost' } : { kind: 'owned', node: lease.record };
  }

  fence(node: NodeIdentity): Promise<'lost' | 'alive' | 'unsettled'> {
    if (this.#isAlive(node)) return Promise.resolve('alive');
    if (!this.#isSettled()) return Promise.resolve('unsettled');
    const lease = this.#leaseOf(node);
    if (lease !== undefined) lease.fenced = true;
    return Promise.resolve('lost');
  }

  reserve(key: string, token: string): Promise<Reservation> {
    const held = this.#keys.get(key);
    if (held === undefined || held.expiresAtMs <= this.#nowMs()) {
      this.#keep(key, token, IDEMPOTENCY_PENDING_MS, undefined);
      return Promise.resolve({ state: 'reserved' });
    }
    return Promise.resolve(held.done === undefined ? { state: 'pending' } : { state: 'done', ...held.done });
  }

  settle(key: string, token: string, done: { fingerprint: string; streamId: string }): Promise<void> {
    if (this.#keys.get(key)?.token === token) this.#keep(key, token, IDEMPOTENCY_KEPT_MS, done);
    return Promise.resolve();
  }

  abandon(key: string, token: string): Promise<void> {
    if (this.#keys.get(key)?.token === token) this.#keys.delete(key);
    return Promise.resolve();
  }

  takeToken(bucket: string, { perSecond, burst }: BucketLimit): Promise<number> {
    const nowMs = this.#nowMs();
    const tokenMs = 1000 / perSecond;
    const fullAtMs = Math.max(nowMs, this.#buckets.get(bucket) ?? 0) + tokenMs;
    const waitMs = fullAtMs - nowMs - tokenMs * burst;
    if (waitMs >= 0.001) return Promise.resolve(Math.ceil(waitMs));
    renew(this.#buckets, bucket, fullAtMs);
    return Promise.resolve(0);
  }

  setCount(node: NodeIdentity, name: string, own: number, most = Infinity): Promise<boolean> {
    const nowMs = this.#nowMs();
    const known = this.#counts.get(name) ?? [];
    const others = known.filter((count) => !isSameNode(count.node, node) && count.expiresAtMs > nowMs);
    const sum = others.reduce((total, count) => total + (this.#isAlive(count.node) ? count.own : 0), own);
    if (sum > most) return Promise.resolve(false);
    renew(this.#counts, name, [...others, { node, own, expiresAtMs: nowMs + COUNT_KEPT_MS }]);
    return Promise.resolve(true);
  }

  #enter(streamId: string, { nodeId, incarnation }: NodeIdentity, offer?: string): void {
    const expiresAtMs = this.#nowMs() + SESSION_KEPT_MS;
    // Those that expire last are last.
    this.#sessions.delete(streamId);
    const entry = { nodeId, incarnation, expiresAtMs };
    this.#sessions.set(streamId, offer === undefined ? entry : { ...entry, offer });
  }

  #ownerOf(streamId: string): Entry | undefined {
    const owner = this.#sessions.get(streamId);
    return owner === undefined || owner.expiresAtMs <= this.#nowMs() ? undefined : owner;
  }

  #keep(key: string, token: string, ms: number, done: Key['done']): void {
    renew(this.#keys, key, { token, expiresAtMs: this.#nowMs() + ms, done });
  }

  /** Whether a node that is missing has had time to come back. */
  #isSettled(): boolean {
    const nowMs = this.#nowMs();
    return nowMs - this.#beatAtMs <= LEASE_MS && nowMs - this.#resumedAtMs > LEASE_MS;
  }

  #live(): NodeRecord[] {
    const nowMs = this.#nowMs();
    return [...this.#leases.values()]
      .filter(({ expiresAtMs, fenced }) => expiresAtMs > nowMs && !fenced)
      .map(({ record }) => record);
  }

  #draw(nodes: NodeRecord[]): readonly NodeRecord[] {
    if (nodes.length <= MAX_NODES_TOLD) return nodes;
    const at = (): number => Math.floor(this.#random() * nodes.length);
    return Array.from({ length: MAX_NODES_TOLD }, () => nodes.splice(at(), 1)).flat();
  }

  #leaseOf(node: NodeIdentity): Lease | undefined {
    const lease = this.#leases.get(node.nodeId);
    return lease !== undefined && isSameNode(lease.record, node) ? lease : undefined;
  }

  #isAlive(node: NodeIdentity): boolean {
    const lease = this.#leaseOf(node);
    return lease !== undefined && !lease.fenced && lease.expiresAtMs > this.#nowMs();
  }

  #nowMs(): number {
    return this.#clock.nowUs() / 1000;
  }
}

/** Puts it last; the first one is forgotten where there are too many. */
function renew<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_KEYS && oldest !== undefined) map.delete(oldest);
}

export function isSameNode(one: NodeIdentity, other: NodeIdentity): boolean {
  return one.nodeId === other.nodeId && one.incarnation === other.incarnation;
}
