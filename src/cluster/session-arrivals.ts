import type { Clock } from '../base/clock.js';
import { pause } from '../base/deadline.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { HttpResponse } from '../http/http-message.js';
import { jsonResponse } from '../http/http-message.js';
import type { RouteCall } from '../http/route-handler.js';
import { PassingProfile } from '../profiles/passing-profile.js';
import type { MoveAnswer } from '../protocol/move-answer.js';
import type { Arrival, SessionTransfers } from '../session/session-transfers.js';
import { type Membership, unavailable } from './membership.js';
import { readMoveMessage } from './move-message.js';
import { HEAD_TIMEOUT_MS } from './request-passer.js';
import { MAX_ASKING_MS } from './session-moves.js';

export interface SessionArrivalsParameters {
  readonly membership: Pick<Membership, 'checkHeld' | 'take' | 'endMove'>;
  readonly transfers: Pick<SessionTransfers, 'receive'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Most bytes of a message: those of the largest file, and some. */
const MAX_MESSAGE_BYTES = 1024 * 1024 * 1024 + 16 * 1024 * 1024;
/**
 * How long after an attempt that failed the directory is asked again to take a session, and for how long, ms: for as long as the node that
 * sends it waits for the answer and then asks whose it is. That node must not hand over a session that has been given up here.
 */
const ASK_MS = 500;
const MAX_TAKING_MS = HEAD_TIMEOUT_MS + MAX_ASKING_MS;

/** Takes sessions that other nodes want to move here. */
export class SessionArrivals {
  readonly #parameters: SessionArrivalsParameters;

  constructor(parameters: SessionArrivalsParameters) {
    this.#parameters = parameters;
  }

  /**
   * Loads the page of a session, and takes it from the node that offers it. The answer is a {@link MoveAnswer}.
   *
   * @throws StreamKitError `unavailable`: it is not known whether the session was taken.
   */
  async answer(call: RouteCall): Promise<HttpResponse> {
    let isTaken: boolean | undefined;
    try {
      isTaken = await this.#take(call);
    } catch (thrown) {
      const error = asError(thrown);
      const { streamId } = call;
      this.#parameters.logger.warn({ err: error, streamId }, 'a session could not move to this server');
      return answered({ taken: false, code: error instanceof StreamKitError ? error.code : 'internal' });
    }
    if (isTaken === undefined) throw unavailable('It is not known whether the session was taken');
    return answered(isTaken ? { taken: true } : { taken: false, code: 'conflict' });
  }

  /** @returns false if it is not offered any more, undefined if that is not known. */
  async #take({ streamId, request, caller }: RouteCall): Promise<boolean | undefined> {
    const { membership, transfers, logger } = this.#parameters;
    await membership.checkHeld();
    const { head, file } = await readMoveMessage(request.readChunks(MAX_MESSAGE_BYTES));
    const arrival = await transfers.receive(streamId, head.moved, caller, () =>
      PassingProfile.receive(head.key, file, logger),
    );
    // Also for a node that is gone by now: while its lease holds, the session can still be saved.
    const isTaken = await this.#isTaken(streamId, head.token, arrival);
    if (isTaken === true) arrival.adopt();
    else {
      logger.warn({ streamId, isKnown: isTaken === false }, 'a session was not taken by this server');
      void arrival.abandon();
    }
    // What the directory has given this node all the same is released with the next beat.
    membership.endMove(streamId);
    return isTaken;
  }

  /** @returns undefined where it is not known. */
  async #isTaken(streamId: string, token: string, arrival: Arrival): Promise<boolean | undefined> {
    const { membership, clock } = this.#parameters;
    const beganAtUs = clock.nowUs();
    do {
      try {
        return await membership.take(streamId, token);
      } catch {
        // It may be this node's all the same.
      }
      await pause(clock, ASK_MS);
    } while (!arrival.hasEnded && clock.nowUs() - beganAtUs < MAX_TAKING_MS * 1000);
    return undefined;
  }
}

function answered(answer: MoveAnswer): HttpResponse {
  return jsonResponse(200, answer);
}
