import type { PlacementRequest } from '../protocol/session-requests.js';
import type { ServerFeatures } from '../session/placement.js';

/**
 * How long a node may be silent before its sessions can be declared lost, ms. With a beat every {@link BEAT_MS} and a look at what
 * the others say after each, viewers on other nodes are told within 5 s.
 */
export const LEASE_MS = 4000;
export const BEAT_MS = 800;
/** How long the directory keeps a session whose owner says nothing more of it, ms. */
export const SESSION_KEPT_MS = 60_000;
/** How often an owner names all its sessions again, ms. */
export const RENEW_MS = 20_000;
/** Most nodes with room that a node is told of. */
export const MAX_NODES_TOLD = 16;
/** How long what a caller has at a node is kept if the node does not say it again, ms. */
export const COUNT_KEPT_MS = 10 * 60_000;
/** How long a request waits for what is counted in the directory, ms. After that this node counts alone. */
export const COUNT_TIMEOUT_MS = 500;
/** How long the answer to an idempotency key is kept, ms. */
export const IDEMPOTENCY_KEPT_MS = 10 * 60_000;
/** How long a request with an idempotency key may take before another one may begin, ms. */
export const IDEMPOTENCY_PENDING_MS = 60_000;

/** One run of one node. A process that starts again, or was declared lost, is another incarnation. */
export interface NodeIdentity {
  readonly nodeId: string;
  /** Random. */
  readonly incarnation: string;
}

/** What a node says of itself. */
export interface NodeRecord extends NodeIdentity, ServerFeatures {
  /** Where the other nodes reach its router; no slash at the end. */
  readonly url: string;
  /** Sessions that it could take now. */
  readonly room: number;
}

export type BeatAnswer =
  /** The lease is this node's for another {@link LEASE_MS}. */
  | {
      readonly outcome: 'held';
      /** The directory knew this incarnation already; otherwise it must be told of all sessions. */
      readonly known: boolean;
      /** How many nodes there are, this one among them. */
      readonly count: number;
      /** At most {@link MAX_NODES_TOLD} nodes that have room, drawn at random where there are more. */
      readonly withRoom: readonly NodeRecord[];
      /** Those of the watched whose lease has lapsed, or which were declared lost. */
      readonly missing: readonly NodeIdentity[];
    }
  /** Another process has the name of this node. */
  | { readonly outcome: 'taken' }
  /** The sessions of this incarnation have been declared lost: they must end, and the node comes back as another one. */
  | { readonly outcome: 'fenced' };

/** Nodes that have what a session needs. */
export interface DrawnNodes {
  /** At most {@link MAX_NODES_TOLD} of those that have room, drawn at random where there are more. */
  readonly withRoom: readonly NodeRecord[];
  /** There is one, with room or without; up to {@link LEASE_MS} late. */
  readonly exists: boolean;
}

export type FoundSession =
  | { readonly kind: 'owned'; readonly node: NodeRecord }
  /** Its node is gone, for good: should it come back, it is told `fenced`. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'unknown' }
  /** The directory itself has been away, and its nodes have not had time to come back to it. */
  | { readonly kind: 'unsettled' };

/** Whose a session is that was offered to another node. */
export type OfferedSession =
  /** That of the node which has offered it, still; the offer has ended. */
  | 'kept'
  /** Another node has taken it. */
  | 'taken'
  /** The node which has offered it does not hold its lease. */
  | 'lost';

/** The rate and the size of a token bucket. */
export interface BucketLimit {
  readonly perSecond: number;
  readonly burst: number;
}

export type Reservation =
  | { readonly state: 'reserved' }
  /** Another request with the same key is being answered. */
  | { readonly state: 'pending' }
  | { readonly state: 'done'; readonly fingerprint: string; readonly streamId: string };

/**
 * Which session is on which node. A node holds one lease for all its sessions and renews it by {@link beat}. Every method rejects
 * where the directory cannot be reached.
 */
export interface ClusterDirectory {
  /** Renews the lease of a node, and tells it of others: what that costs does not depend on how many there are. */
  beat(node: NodeRecord, watched: readonly NodeIdentity[]): Promise<BeatAnswer>;
  /** Finds nodes that have what a session needs. What that costs does not depend on how many there are. */
  draw(need: PlacementRequest): Promise<DrawnNodes>;
  /** Every node whose lease holds. Costs as much as there are. */
  nodes(): Promise<readonly NodeRecord[]>;
  /** Gives the lease and all sessions up, in good order. */
  leave(node: NodeIdentity): Promise<void>;
  /**
   * Makes sessions findable for {@link SESSION_KEPT_MS}.
   *
   * @returns those that were not claimed: all where the lease is not held, and those that another live node has.
   */
  claim(node: NodeIdentity, streamIds: readonly string[]): Promise<readonly string[]>;
  /** Forgets sessions of this node; those of others stay. */
  release(node: NodeIdentity, streamIds: readonly string[]): Promise<void>;
  /**
   * Lets another node {@link take} a session of this one, and keeps it findable for {@link SESSION_KEPT_MS}. An earlier offer of it ends.
   *
   * @param token - random: who has it may take the session.
   * @returns false where it is not, or no longer, this node's.
   */
  offer(node: NodeIdentity, streamId: string, token: string): Promise<boolean>;
  /**
   * Makes a session that was offered this node's own, once. To ask again gives the same answer.
   *
   * @returns false where the offer has ended, or one of both nodes does not hold its lease.
   */
  take(node: NodeIdentity, streamId: string, token: string): Promise<boolean>;
  /** Ends an offer of this node, unless the session was taken. A session that the directory has forgotten nobody can take: `kept`. */
  withdraw(node: NodeIdentity, streamId: string): Promise<OfferedSession>;
  /** Finds the owner of a session. To answer `lost` declares the owner lost. */
  find(streamId: string): Promise<FoundSession>;
  /** Declares a node lost if its lease has lapsed. */
  fence(node: NodeIdentity): Promise<'lost' | 'alive' | 'unsettled'>;
  /**
   * Takes an idempotency key for {@link IDEMPOTENCY_PENDING_MS}.
   *
   * @param token - random: who has reserved it.
   */
  reserve(key: string, token: string): Promise<Reservation>;
  /** Keeps what came of a reservation for {@link IDEMPOTENCY_KEPT_MS}. */
  settle(key: string, token: string, done: { fingerprint: string; streamId: string }): Promise<void>;
  /** Nothing came of a reservation. */
  abandon(key: string, token: string): Promise<void>;
  /**
   * Takes one from a token bucket that all nodes share.
   *
   * @returns how long to wait until there is one, ms; 0: it was taken.
   */
  takeToken(bucket: string, limit: BucketLimit): Promise<number>;
  /**
   * Says how much of something this node has, for {@link COUNT_KEPT_MS}.
   *
   * @param most - of all live nodes together. Undefined: it is said whatever the others have.
   * @returns false if that would be more than `most`; then what was said before holds.
   */
  setCount(node: NodeIdentity, name: string, own: number, most?: number): Promise<boolean>;
}
