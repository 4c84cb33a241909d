import { withTimeout } from '../base/with-timeout.js';
import type { RedisClient } from '../options/cluster-options.js';
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
import {
  ABANDON,
  BEAT,
  CLAIM,
  DRAW,
  FENCE,
  FIND,
  LEAVE,
  NODES,
  OFFER,
  RELEASE,
  RESERVE,
  SET_COUNT,
  SETTLE,
  TAKE,
  TAKE_TOKEN,
  WITHDRAW,
} from './redis-scripts.js';

const COMMAND_TIMEOUT_MS = 1500;
/** Sessions that one command names: each blocks Redis while it runs. */
const SESSIONS_PER_COMMAND = 500;

/** The directory in Redis. All keys have one hash tag, so that they are on one node of a Redis Cluster. */
export class RedisDirectory implements ClusterDirectory {
  readonly #redis: RedisClient;
  readonly #tag: string;
  readonly #timeoutMs: number;

  /**
   * @param name - of the cluster.
   * @param timeoutMs - what Redis has not answered after this long counts as failed.
   */
  constructor(redis: RedisClient, name: string, timeoutMs = COMMAND_TIMEOUT_MS) {
    this.#timeoutMs = timeoutMs;
    this.#redis = redis;
    this.#tag = `{${name}}`;
  }

  async beat(
    { nodeId, incarnation, url, room, region, gpu }: NodeRecord,
    watched: readonly NodeIdentity[],
  ): Promise<BeatAnswer> {
    const features = [region ?? '', gpu ? 1 : 0];
    const parameters = [
      LEASE_MS,
      nodeId,
      incarnation,
      url,
      room,
      SESSION_KEPT_MS,
      MAX_NODES_TOLD,
      ...features,
    ];
    const each = watched.flatMap((node) => [node.nodeId, node.incarnation]);
    const needs = [
      ...(gpu ? [{ gpu }] : []),
      ...(region === undefined ? [] : [{ region }]),
      ...(region === undefined || !gpu ? [] : [{ region, gpu }]),
    ];
    const keys = [...this.#nodeKeys, ...needs.flatMap((need) => this.#needKeys(need))];
    const [outcome, ...rest] = (await this.#run(BEAT, keys, [...parameters, ...each])) as [
      BeatAnswer['outcome'],
      ...[now: unknown, known: unknown, count: unknown, missing: string[], free: (string | null)[]],
    ];
    if (outcome !== 'held') return { outcome };
    const [now, known, count, missing, free] = rest;
    const nowMs = numberOf(now);
    return {
      outcome,
      known: numberOf(known) === 1,
      count: numberOf(count),
      withRoom: free.flatMap((text) => liveNode(text, nowMs)),
      missing: watched.filter((node) => missing.includes(node.incarnation)),
    };
  }

  async draw(need: PlacementRequest): Promise<DrawnNodes> {
    const keys = [...this.#nodeKeys, ...this.#needKeys(need)];
    const [now, exists, free] = (await this.#run(DRAW, keys, [LEASE_MS, MAX_NODES_TOLD])) as [
      now: unknown,
      exists: unknown,
      free: (string | null)[],
    ];
    const nowMs = numberOf(now);
    const live = free.flatMap((text) => liveNode(text, nowMs));
    // One that was started anew may have had other features a lease ago.
    const withRoom = live.filter((node) => node.room > 0 && fitsPlacement(node, need));
    return { exists: numberOf(exists) === 1, withRoom };
  }

  async nodes(): Promise<readonly NodeRecord[]> {
    return ((await this.#nodes(NODES, [], [])) as string[]).map(parseNode);
  }

  async leave({ nodeId, incarnation }: NodeIdentity): Promise<void> {
    await this.#nodes(LEAVE, [], [nodeId, incarnation]);
  }

  async claim(
    { nodeId, incarnation }: NodeIdentity,
    streamIds: readonly string[],
  ): Promise<readonly string[]> {
    const refused: string[] = [];
    for (const some of inChunks(streamIds)) {
      const parameters = [nodeId, incarnation, SESSION_KEPT_MS, ...some];
      refused.push(...((await this.#nodes(CLAIM, some, parameters)) as string[]));
    }
    return refused;
  }

  async release({ nodeId, incarnation }: NodeIdentity, streamIds: readonly string[]): Promise<void> {
    for (const some of inChunks(streamIds)) await this.#nodes(RELEASE, some, [nodeId, incarnation]);
  }

  async offer({ nodeId, incarnation }: NodeIdentity, streamId: string, token: string): Promise<boolean> {
    const parameters = [nodeId, incarnation, SESSION_KEPT_MS, token];
    return numberOf(await this.#nodes(OFFER, [streamId], parameters)) === 1;
  }

  async take({ nodeId, incarnation }: NodeIdentity, streamId: string, token: string): Promise<boolean> {
    const parameters = [nodeId, incarnation, SESSION_KEPT_MS, token];
    return numberOf(await this.#nodes(TAKE, [streamId], parameters)) === 1;
  }

  async withdraw({ nodeId, incarnation }: NodeIdentity, streamId: string): Promise<OfferedSession> {
    const parameters = [nodeId, incarnation, SESSION_KEPT_MS];
    return (await this.#nodes(WITHDRAW, [streamId], parameters)) as OfferedSession;
  }

  async find(streamId: string): Promise<FoundSession> {
    const [kind, node] = (await this.#nodes(FIND, [streamId], [])) as [FoundSession['kind'], string?];
    if (kind !== 'owned') return { kind };
    return { kind, node: parseNode(node ?? '') };
  }

  async fence({ nodeId, incarnation }: NodeIdentity): Promise<'lost' | 'alive' | 'unsettled'> {
    return (await this.#nodes(FENCE, [], [nodeId, incarnation])) as 'lost' | 'alive' | 'unsettled';
  }

  async reserve(key: string, token: string): Promise<Reservation> {
    const held = await this.#run(RESERVE, [this.#idempotency(key)], [token, IDEMPOTENCY_PENDING_MS]);
    if (typeof held !== 'string') return { state: 'reserved' };
    const at = held.indexOf(' ');
    if (at === -1) return { state: 'pending' };
    const { fingerprint, streamId } = JSON.parse(held.slice(at)) as { fingerprint: string; streamId: string };
    return { state: 'done', fingerprint, streamId };
  }

  async settle(key: string, token: string, done: { fingerprint: string; streamId: string }): Promise<void> {
    await this.#run(SETTLE, [this.#idempotency(key)], [token, IDEMPOTENCY_KEPT_MS, JSON.stringify(done)]);
  }

  async abandon(key: string, token: string): Promise<void> {
    await this.#run(ABANDON, [this.#idempotency(key)], [token]);
  }

  async takeToken(bucket: string, { perSecond, burst }: BucketLimit): Promise<number> {
    const tokenUs = 1_000_000 / perSecond;
    const keys = [`${this.#tag}:bucket:${bucket}`];
    return numberOf(await this.#run(TAKE_TOKEN, keys, [tokenUs, tokenUs * burst]));
  }

  async setCount(
    { nodeId, incarnation }: NodeIdentity,
    name: string,
    own: number,
    most = -1,
  ): Promise<boolean> {
    const keys = [...this.#nodeKeys, `${this.#tag}:count:${name}`];
    const parameters = [LEASE_MS, nodeId, incarnation, own, most, COUNT_KEPT_MS];
    return numberOf(await this.#run(SET_COUNT, keys, parameters)) === 1;
  }

  get #nodeKeys(): readonly string[] {
    return ['pulse', 'nodes', 'leases', 'free'].map((key) => `${this.#tag}:${key}`);
  }

  /** That there is a node which has this, and which of those have room. */
  #needKeys({ region, gpu }: PlacementRequest): readonly string[] {
    const names = [...(gpu === true ? ['gpu'] : []), ...(region === undefined ? [] : ['region', region])];
    const need = names.join(':');
    return [`${this.#tag}:with:${need}`, `${this.#tag}:free:${need}`];
  }

  #idempotency(key: string): string {
    return `${this.#tag}:idempotency:${key}`;
  }

  #nodes(script: string, streamIds: readonly string[], parameters: (string | number)[]): Promise<unknown> {
    const sessions = streamIds.map((streamId) => `${this.#tag}:session:${streamId}`);
    return this.#run(script, [...this.#nodeKeys, ...sessions], [LEASE_MS, ...parameters]);
  }

  #run(script: string, keys: readonly string[], parameters: readonly (string | number)[]): Promise<unknown> {
    const call = this.#redis.call('EVAL', script, keys.length, ...keys, ...parameters);
    return withTimeout(call, this.#timeoutMs);
  }
}

/** A client may be set to give numbers as strings. @throws Error for what is no number. */
function numberOf(reply: unknown): number {
  const value = typeof reply === 'string' && reply !== '' ? Number(reply) : reply;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error('Expected a number from Redis');
  return value;
}

/** @param now - when it was read, by the clock of Redis. */
function liveNode(text: string | null, now: number): NodeRecord[] {
  if (text === null) return [];
  const { expiresAtMs, fenced } = JSON.parse(text) as { expiresAtMs: number; fenced?: true };
  return expiresAtMs > now && fenced === undefined ? [parseNode(text)] : [];
}

function parseNode(text: string): NodeRecord {
  const { nodeId, incarnation, url, room, region, gpu } = JSON.parse(text) as NodeRecord;
  return { nodeId, incarnation, url, room, gpu, ...(region === undefined ? {} : { region }) };
}

function* inChunks(streamIds: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < streamIds.length; at += SESSIONS_PER_COMMAND) {
    yield streamIds.slice(at, at + SESSIONS_PER_COMMAND);
  }
}
