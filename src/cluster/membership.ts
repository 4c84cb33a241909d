import { randomUUID } from 'node:crypto';

import type { Clock, Timer } from '../base/clock.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { PlacementRequest } from '../protocol/session-requests.js';
import type { ServerFeatures } from '../session/placement.js';
import type {
  BeatAnswer,
  ClusterDirectory,
  DrawnNodes,
  FoundSession,
  NodeIdentity,
  NodeRecord,
  OfferedSession,
} from './directory.js';
import { BEAT_MS, LEASE_MS, RENEW_MS } from './directory.js';
import { isSameNode } from './memory-directory.js';

export interface MembershipParameters {
  readonly directory: ClusterDirectory;
  readonly nodeId: string;
  /** Where the other nodes reach this router. */
  readonly url: string;
  /** Sessions that could be taken now. */
  readonly room: () => number;
  /** What sessions may need of this node. */
  readonly features: () => ServerFeatures;
  /** The sessions that are this node's to answer for. */
  readonly owned: () => Iterable<string>;
  /** Its sessions have been declared lost: they must end. */
  readonly onFenced: () => void;
  /** Called every {@link RENEW_MS}, and when the directory has forgotten this node: what is kept there is to be said again. */
  readonly onRenew: (isKnown: boolean) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Most owners that are remembered for when the directory is away; beyond it the oldest is forgotten. */
const MAX_REMEMBERED = 10_000;

/** A process that did not run for longer than this may have lost its lease, ms. */
const MAX_SILENCE_MS = LEASE_MS - 2 * BEAT_MS;

/** Most nodes whose leases one beat looks at: a command of Redis takes a few thousand parameters from a script. */
const MAX_WATCHED = 2000;

interface Watch {
  readonly node: NodeIdentity;
  readonly onLost: () => void;
}

/** This node's part in the cluster: its lease, its sessions in the directory, and what it knows of the others. */
export class Membership {
  readonly #parameters: MembershipParameters;
  readonly #timer: Timer;
  #incarnation: string = randomUUID();
  #withRoom: readonly NodeRecord[] = [];
  /** When they were listed last. */
  #nodes: readonly NodeRecord[] = [];
  #outcome: BeatAnswer['outcome'] | 'away' | 'starting' = 'starting';
  /** When the last beat that was answered began. */
  #heldAtUs = -Infinity;
  #renewedAtUs = 0;
  /** When this process last showed that it runs. */
  #tickedAtUs: number;
  /** How often this process stood still for so long that its lease may have lapsed. */
  #silences = 0;
  /** Of those, after how many a beat has begun that was answered. */
  #silencesKnown = 0;
  #recovery: Promise<void> | undefined;
  #beating: Promise<void> | undefined;
  readonly #announced = new Set<string>();
  /** Those that pass from one node to another: whose they are is not to be said anew meanwhile. */
  readonly #moving = new Set<string>();
  readonly #watches = new Set<Watch>();
  readonly #remembered = new Map<string, NodeRecord>();
  #closed = false;

  constructor(parameters: MembershipParameters) {
    this.#parameters = parameters;
    this.#tickedAtUs = parameters.clock.nowUs();
    this.#timer = parameters.clock.every(BEAT_MS, () => {
      this.#noteSilence();
      void this.beat();
    });
    void this.beat();
  }

  get identity(): NodeIdentity {
    return { nodeId: this.#parameters.nodeId, incarnation: this.#incarnation };
  }

  /** The lease is this node's now. */
  get isHeld(): boolean {
    return this.#outcome === 'held' && this.#parameters.clock.nowUs() - this.#heldAtUs < LEASE_MS * 1000;
  }

  /** The directory did not answer the last beat. */
  get isAway(): boolean {
    return this.#outcome === 'away';
  }

  /** Some of those that had room at the last beat, at most {@link MAX_NODES_TOLD}; this one may be among them. */
  get withRoom(): readonly NodeRecord[] {
    return this.#withRoom;
  }

  /**
   * Finds nodes that have what a session needs.
   *
   * @throws StreamKitError `unavailable`.
   */
  draw(need: PlacementRequest): Promise<DrawnNodes> {
    return this.#ask((directory) => directory.draw(need));
  }

  /** All nodes that live, this one among them; while the directory is away, as it said last. */
  async nodes(): Promise<readonly NodeRecord[]> {
    try {
      this.#nodes = await this.#parameters.directory.nodes();
    } catch {
      // Those that are gone do not answer.
    }
    return this.#nodes;
  }

  /** Renews the lease, unless that is under way. Never rejects. */
  beat(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#beating ??= this.#beat().finally(() => (this.#beating = undefined));
    return this.#beating;
  }

  /**
   * Whether this node may take sessions.
   *
   * @throws StreamKitError `unavailable`.
   */
  async checkHeld(): Promise<void> {
    if (this.#outcome === 'starting' || this.#outcome === 'fenced') await this.beat();
    if (this.isHeld) return;
    throw unavailable(
      this.#outcome === 'taken'
        ? 'Another server of the cluster has the name of this one'
        : 'The directory of the cluster cannot be reached: no session can be created',
    );
  }

  /**
   * Resolves at once, except in a process that stood still: its sessions may have been declared lost meanwhile, and it says nothing of
   * them before it knows.
   *
   * @throws StreamKitError `unavailable` if the directory cannot be asked.
   */
  async whenCertain(): Promise<void> {
    this.#noteSilence();
    if (!this.#isUncertain()) return;
    await (this.#recovery ??= this.#recover());
    if (this.#isUncertain()) throw unavailable('It is not known yet whether this server was declared lost');
  }

  /**
   * Lets every node find a session of this one.
   *
   * @throws StreamKitError `unavailable`.
   */
  async announce(streamId: string): Promise<void> {
    const refused = await this.#ask((directory) => directory.claim(this.identity, [streamId]));
    if (refused.length > 0)
      throw unavailable('The cluster has lost this server: the session was not created');
    this.#announced.add(streamId);
  }

  /**
   * Lets another node take a session of this one, for as long as {@link endMove} is not called. An earlier offer of it ends.
   *
   * @param identity - of this node when the move began: one that was declared lost since has nothing to offer.
   * @returns false where the session is not this node's any more.
   * @throws StreamKitError `unavailable`.
   */
  offer(identity: NodeIdentity, streamId: string, token: string): Promise<boolean> {
    this.#moving.add(streamId);
    return this.#ask((directory) => directory.offer(identity, streamId, token));
  }

  /** Ends an offer. @throws StreamKitError `unavailable`. */
  withdraw(identity: NodeIdentity, streamId: string): Promise<OfferedSession> {
    return this.#ask((directory) => directory.withdraw(identity, streamId));
  }

  /**
   * Makes a session this node's that another one offers. Whatever comes of it, {@link endMove} must follow; what was taken and is not among
   * the owned by then is given up.
   *
   * @returns false where the offer has ended.
   * @throws StreamKitError `unavailable`: it is not known what came of it.
   */
  async take(streamId: string, token: string): Promise<boolean> {
    const { identity } = this;
    this.#moving.add(streamId);
    this.#announced.add(streamId);
    const isTaken = await this.#ask((directory) => directory.take(identity, streamId, token));
    // It may have been declared lost meanwhile, and the session with it.
    return isTaken && isSameNode(identity, this.identity);
  }

  /** From now on the session is this node's if it is among the owned. Idempotent. */
  endMove(streamId: string): void {
    this.#moving.delete(streamId);
  }

  /**
   * Finds the owner of a session. While the directory is away, those that were found before are found still.
   *
   * @throws StreamKitError `unavailable`.
   */
  async find(streamId: string): Promise<FoundSession> {
    const remembered = this.#remembered.get(streamId);
    const { isAway } = this;
    if (isAway && remembered !== undefined) return { kind: 'owned', node: remembered };
    let found: FoundSession;
    try {
      if (isAway) throw unavailable('The directory of the cluster cannot be reached');
      found = await this.#ask((directory) => directory.find(streamId));
    } catch (thrown) {
      if (remembered !== undefined) return { kind: 'owned', node: remembered };
      throw thrown;
    }
    if (found.kind === 'owned') this.#remember(streamId, found.node);
    else if (found.kind !== 'unsettled') this.#remembered.delete(streamId);
    return found;
  }

  /**
   * Tells when a node has been declared lost, within 5 s of its end.
   *
   * @returns what ends it. Idempotent.
   */
  watch(node: NodeIdentity, onLost: () => void): () => void {
    const watch = { node, onLost };
    this.#watches.add(watch);
    return () => void this.#watches.delete(watch);
  }

  /** Gives the lease up. Never rejects. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer.cancel();
    await this.#beating;
    this.#watches.clear();
    const { directory } = this.#parameters;
    try {
      await directory.release(this.identity, [...this.#announced]);
      await directory.leave(this.identity);
    } catch {
      // The lease lapses by itself.
    }
  }

  #isUncertain(): boolean {
    return this.#silences > this.#silencesKnown;
  }

  #noteSilence(): void {
    const nowUs = this.#parameters.clock.nowUs();
    if (nowUs - this.#tickedAtUs > MAX_SILENCE_MS * 1000) this.#silences += 1;
    this.#tickedAtUs = nowUs;
  }

  async #recover(): Promise<void> {
    // What was under way may have been answered before the silence.
    await this.#beating;
    await this.beat();
    this.#recovery = undefined;
  }

  async #beat(): Promise<void> {
    const { directory, url, room, features, clock, logger } = this.#parameters;
    const startedAtUs = clock.nowUs();
    const before = this.#outcome;
    const silences = this.#silences;
    const wasSilent = this.#isUncertain();
    let answer: BeatAnswer;
    try {
      const record = { ...this.identity, url, room: room(), ...features() };
      answer = await directory.beat(record, this.#watched());
    } catch (thrown) {
      this.#outcome = 'away';
      if (before !== 'away') {
        logger.warn({ reason: asError(thrown).name }, 'the directory of the cluster cannot be reached');
      }
      return;
    }
    // A directory that has forgotten everything cannot say whether this node was declared lost before.
    const isForgotten = answer.outcome === 'held' && !answer.known && wasSilent && before !== 'starting';
    this.#silencesKnown = silences;
    this.#outcome = isForgotten ? 'fenced' : answer.outcome;
    if (answer.outcome === 'held' && !isForgotten) {
      this.#heldAtUs = startedAtUs;
      this.#withRoom = answer.withRoom;
      if (before !== 'held') logger.info({ nodes: answer.count }, 'this node is part of the cluster');
      try {
        await this.#synchronize(answer.known);
        for (const node of answer.missing) await this.#giveUp(node);
      } catch {
        // The next beat tries again, and says so where the directory is away.
      }
      return;
    }
    this.#withRoom = [];
    if (answer.outcome === 'taken' && before !== 'taken') {
      logger.error({}, 'another server of the cluster has the nodeId of this one');
    }
    if (this.#outcome === 'fenced') {
      logger.error({}, 'this node was silent for too long: its sessions were declared lost, and end');
      if (isForgotten) void directory.leave(this.identity).catch(() => undefined);
      this.#incarnation = randomUUID();
      this.#announced.clear();
      this.#parameters.onFenced();
    }
  }

  /** Tells the directory which sessions have come and gone. */
  async #synchronize(isKnown: boolean): Promise<void> {
    const { directory, owned, clock } = this.#parameters;
    const now = new Set(owned());
    const isDue = !isKnown || clock.nowUs() - this.#renewedAtUs >= RENEW_MS * 1000;
    const settled = (streamId: string): boolean => !this.#moving.has(streamId);
    const gone = [...this.#announced].filter((streamId) => !now.has(streamId)).filter(settled);
    const named = [...now].filter((streamId) => isDue || !this.#announced.has(streamId)).filter(settled);
    if (gone.length > 0) {
      await directory.release(this.identity, gone);
      for (const streamId of gone) this.#announced.delete(streamId);
    }
    if (named.length > 0) {
      const refused = new Set(await directory.claim(this.identity, named));
      for (const streamId of named) if (!refused.has(streamId)) this.#announced.add(streamId);
    }
    if (!isDue) return;
    this.#renewedAtUs = clock.nowUs();
    this.#parameters.onRenew(isKnown);
  }

  #watched(): readonly NodeIdentity[] {
    const nodes = new Map([...this.#watches].map(({ node }) => [node.incarnation, node]));
    return [...nodes.values()].slice(0, MAX_WATCHED);
  }

  /** Tells those who watch a node that is missing, if it is lost. */
  async #giveUp(node: NodeIdentity): Promise<void> {
    if ((await this.#parameters.directory.fence(node)) !== 'lost') return;
    this.#parameters.logger.warn({ node: node.nodeId }, 'a node of the cluster was lost');
    for (const watch of [...this.#watches]) {
      if (!isSameNode(watch.node, node)) continue;
      this.#watches.delete(watch);
      watch.onLost();
    }
  }

  #remember(streamId: string, node: NodeRecord): void {
    this.#remembered.delete(streamId);
    this.#remembered.set(streamId, node);
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > MAX_REMEMBERED && oldest !== undefined) this.#remembered.delete(oldest);
  }

  async #ask<T>(work: (directory: ClusterDirectory) => Promise<T>): Promise<T> {
    try {
      return await work(this.#parameters.directory);
    } catch (cause) {
      throw unavailable('The directory of the cluster cannot be reached', asError(cause));
    }
  }
}

/** For now: it may be tried again. */
export function unavailable(message: string, cause?: Error): StreamKitError {
  return new StreamKitError('unavailable', message, {
    headers: { 'Retry-After': '1' },
    ...(cause === undefined ? {} : { cause }),
  });
}
