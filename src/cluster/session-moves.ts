import { randomUUID } from 'node:crypto';

import type { Clock, Timer } from '../base/clock.js';
import { pause, settlesWithin } from '../base/deadline.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { HttpResponse } from '../http/http-message.js';
import type { MoveAnswer } from '../protocol/move-answer.js';
import type { Caller } from '../session/caller.js';
import type { Departure, SessionTransfers } from '../session/session-transfers.js';
import type { NodeIdentity, NodeRecord, OfferedSession } from './directory.js';
import { jsonOf } from './json-answer.js';
import type { Membership } from './membership.js';
import { isSameNode } from './memory-directory.js';
import { moveMessage } from './move-message.js';
import { NodeSearch } from './placement.js';
import { nodeLost, type RequestPasser } from './request-passer.js';

export interface SessionMovesParameters {
  readonly membership: Pick<
    Membership,
    'identity' | 'offer' | 'withdraw' | 'endMove' | 'withRoom' | 'beat' | 'draw'
  >;
  readonly passer: Pick<RequestPasser, 'pass'>;
  readonly transfers: Pick<SessionTransfers, 'movable' | 'depart' | 'placementOf'>;
  /** Of this node. */
  readonly nodeId: string;
  readonly region: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Path below the routers at which a session is sent. */
const MOVES_PATH = '/admin/moves';

/** Each loads a page at another node, and stops one here. */
const MOVES_AT_ONCE = 2;
/**
 * How many nodes a session is sent to, and how long after its page has ended it still is sent to another one, ms. One where the page does
 * not come in time takes longer: viewers do not wait for a second one of that kind.
 */
const MAX_TRIES = 3;
const LAST_TRY_MS = 15_000;
/** How long a node may take to show that it is there, ms. */
const PROBE_TIMEOUT_MS = 1000;
/** Asks for nothing. */
const NOBODY: Caller = { key: 'node', id: undefined, role: 'viewer', limits: {}, context: undefined };
/** How often sessions are looked for that can move by now, ms. */
const LOOK_MS = 2000;
/** How long after an answer that failed the directory is asked again whose a session is, and for how long, ms. */
const ASK_MS = 500;
export const MAX_ASKING_MS = 60_000;
/** How long a session that has moved is remembered, ms: nodes that do not know yet still send its requests here. */
const MOVED_KEPT_MS = 60_000;
const MAX_MOVED_KEPT = 10_000;
/** How long closing waits for sessions that are on their way, ms. */
const CLOSE_TIMEOUT_MS = 10_000;

/** Moves the sessions of a node that drains to others, as long as there is room. */
export class SessionMoves {
  readonly #parameters: SessionMovesParameters;
  /** They were kept once: a further attempt would load their pages again. */
  readonly #kept = new Set<string>();
  /** How often each was looked at for which there was no node: others go first. */
  readonly #waits = new Map<string, number>();
  /** Since when, monotonic µs; oldest first. */
  readonly #moved = new Map<string, number>();
  readonly #moving = new Map<string, Promise<boolean>>();
  #timer: Timer | undefined;
  #closed = false;
  #closing: Promise<void> | undefined;
  /** Closing waits no longer: nothing is asked any more. */
  #isOver = false;

  constructor(parameters: SessionMovesParameters) {
    this.#parameters = parameters;
  }

  /** Begins to move every session that can. Idempotent. */
  begin(): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#timer = this.#parameters.clock.every(LOOK_MS, () => this.#look());
    this.#look();
  }

  /** The session was here, and has moved to another node of late. */
  hasMoved(streamId: string): boolean {
    const movedAtUs = this.#moved.get(streamId);
    return movedAtUs !== undefined && this.#parameters.clock.nowUs() - movedAtUs < MOVED_KEPT_MS * 1000;
  }

  /** Begins no more moves, and waits for those that are under way, but not for long. Never rejects. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await settlesWithin(this.#parameters.clock, CLOSE_TIMEOUT_MS, Promise.all(this.#moving.values()));
    this.#isOver = true;
  }

  #look(): void {
    const { transfers } = this.#parameters;
    if (this.#closed) return;
    const waits = (streamId: string): number => this.#waits.get(streamId) ?? 0;
    for (const streamId of transfers.movable().toSorted((one, other) => waits(one) - waits(other))) {
      if (this.#moving.size >= MOVES_AT_ONCE) return;
      if (this.#kept.has(streamId) || this.#moving.has(streamId)) continue;
      const moving = this.#move(streamId).finally(() => {
        this.#moving.delete(streamId);
      });
      this.#moving.set(streamId, moving);
      void moving.then((goesOn) => goesOn && this.#look());
    }
  }

  /** Never rejects. @returns false: there is no reason to look for another one at once. */
  async #move(streamId: string): Promise<boolean> {
    const { membership, transfers, logger } = this.#parameters;
    const { identity } = membership;
    const search = this.#search(streamId);
    // Before the page ends: without a node to go to it goes on.
    const first = await this.#firstAnswering(search);
    if (first === undefined || this.#closed) {
      this.#waits.set(streamId, (this.#waits.get(streamId) ?? 0) + 1);
      return false;
    }
    try {
      const token = randomUUID();
      if (!(await membership.offer(identity, streamId, token))) return false;
      const departure = await transfers.depart(streamId);
      const outcome =
        departure.archive === undefined
          ? 'kept'
          : await this.#send(departure, identity, search, { first, token });
      this.#end(departure, identity, outcome);
      return true;
    } catch (thrown) {
      logger.warn({ err: asError(thrown), streamId }, 'a session could not move');
      return false;
    } finally {
      // The offer must not outlive the attempt; one that was taken is not this node's to withdraw.
      await this.#ownerOf(identity, streamId, 0);
      membership.endMove(streamId);
    }
  }

  #end(departure: Departure, identity: NodeIdentity, given: OfferedSession): void {
    const { membership, clock, logger } = this.#parameters;
    const { streamId } = departure;
    // What this node had when it was declared lost is lost.
    const outcome = given === 'kept' && !isSameNode(identity, membership.identity) ? 'lost' : given;
    logger.info({ streamId, outcome }, 'the move of a session has ended');
    switch (outcome) {
      case 'taken':
        this.#remember(streamId, clock.nowUs());
        departure.handOver();
        break;
      case 'kept':
        this.#kept.add(streamId);
        departure.keep();
        break;
      case 'lost':
        departure.lose(nodeLost());
        break;
    }
  }

  /** Sends a session to one node after the other, until one has taken it. */
  async #send(
    departure: Departure,
    identity: NodeIdentity,
    search: NodeSearch,
    offer: { readonly first: NodeRecord; readonly token: string },
  ): Promise<OfferedSession> {
    const { membership, clock } = this.#parameters;
    const beganAtUs = clock.nowUs();
    let node: NodeRecord | undefined = offer.first;
    let { token } = offer;
    for (let tries = 1; ; tries++) {
      const isTaken = await this.#sendTo(node, departure, token);
      // A node that has not answered may have taken it, or may still.
      const outcome = isTaken ?? (await this.#ownerOf(identity, departure.streamId, MAX_ASKING_MS));
      if (outcome !== 'kept') return outcome;
      const isLate = clock.nowUs() - beganAtUs > LAST_TRY_MS * 1000;
      if (isLate || this.#closed || tries >= MAX_TRIES) return 'kept';
      node = await search.next().catch(() => undefined);
      if (node === undefined) return 'kept';
      token = randomUUID();
      try {
        // The node before can take it no more.
        if (await membership.offer(identity, departure.streamId, token)) continue;
      } catch {
        // Whose it is must be known before its page is loaded again.
      }
      return this.#ownerOf(identity, departure.streamId, MAX_ASKING_MS);
    }
  }

  /** @returns undefined where it is not known what has come of it. */
  async #sendTo(
    node: NodeRecord,
    departure: Departure,
    token: string,
  ): Promise<'taken' | 'kept' | undefined> {
    const { passer, logger } = this.#parameters;
    const { streamId, moved, caller, archive } = departure;
    if (archive === undefined) return 'kept';
    try {
      const response = await passer.pass(node, {
        ...{ method: 'PUT', path: `${MOVES_PATH}/${streamId}`, query: new URLSearchParams(), prefix: '' },
        streamId,
        headers: { 'content-type': 'application/octet-stream' },
        body: moveMessage(token, moved, archive),
        caller,
      });
      // It may have taken the session all the same.
      if (response.status !== 200) throw unexpectedStatus(response);
      const { taken, code } = (await jsonOf(response)) as MoveAnswer;
      if (!taken) logger.warn({ streamId, node: node.nodeId, code }, 'a node does not take a session');
      return taken ? 'taken' : 'kept';
    } catch (thrown) {
      logger.warn(
        { err: asError(thrown), streamId, node: node.nodeId },
        'a node does not answer for a session',
      );
      return undefined;
    }
  }

  /**
   * Ends the offer of a session. `lost` if it cannot be known whose it is: two owners would be worse.
   *
   * @param limitMs - after that the directory is not asked again, nor once closing has waited for long enough; 0: once.
   */
  async #ownerOf(identity: NodeIdentity, streamId: string, limitMs: number): Promise<OfferedSession> {
    const { membership, clock } = this.#parameters;
    const beganAtUs = clock.nowUs();
    for (;;) {
      try {
        return await membership.withdraw(identity, streamId);
      } catch {
        if (this.#isOver || clock.nowUs() - beganAtUs >= limitMs * 1000) return 'lost';
      }
      await pause(clock, ASK_MS);
    }
  }

  /** The directory names a node for some seconds after its end, and a page that has ended cannot wait so long. */
  async #firstAnswering(search: NodeSearch): Promise<NodeRecord | undefined> {
    const { passer, logger } = this.#parameters;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const node = await search.next().catch(() => undefined);
      if (node === undefined) return undefined;
      try {
        const response = await passer.pass(node, {
          ...{ method: 'HEAD', path: '/', query: new URLSearchParams(), prefix: '', streamId: '' },
          ...{ headers: {}, body: undefined, caller: NOBODY, headTimeoutMs: PROBE_TIMEOUT_MS },
        });
        if (response.status >= 500) throw unexpectedStatus(response);
        return node;
      } catch (thrown) {
        logger.warn({ err: asError(thrown), node: node.nodeId }, 'a node does not answer');
      }
    }
    return undefined;
  }

  /** As a session is placed, but not here. */
  #search(streamId: string): NodeSearch {
    const { membership, transfers, nodeId, region } = this.#parameters;
    return new NodeSearch({
      ...{ membership, region, random: Math.random },
      need: transfers.placementOf(streamId),
      current: (node) => (node.nodeId === nodeId ? { ...node, room: 0 } : node),
    });
  }

  #remember(streamId: string, nowUs: number): void {
    this.#moved.delete(streamId);
    this.#moved.set(streamId, nowUs);
    for (const [oldest, movedAtUs] of this.#moved) {
      const isOver = nowUs - movedAtUs >= MOVED_KEPT_MS * 1000;
      if (!isOver && this.#moved.size <= MAX_MOVED_KEPT) break;
      this.#moved.delete(oldest);
    }
  }
}

function unexpectedStatus({ status, stream }: HttpResponse): StreamKitError {
  stream?.content.destroy();
  return new StreamKitError('unavailable', `The node answered ${status}`);
}
