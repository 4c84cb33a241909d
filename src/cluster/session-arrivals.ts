import type { Clock } from '../base/clock.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { HttpResponse } from '../http/http-message.js';
import { jsonResponse } from '../http/http-message.js';
import type { RouteCall } from '../http/route-handler.js';
import { PassingProfile } from '../profiles/passing-profile.js';
import type { SessionTransfers } from '../session/session-transfers.js';
import type { Membership } from './membership.js';
import { type MoveAnswer, readMoveMessage } from './move-message.js';

export interface SessionArrivalsParameters {
  readonly membership: Membership;
  readonly transfers: Pick<SessionTransfers, 'receive'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Most bytes of a message: those of the largest file, and some. */
const MAX_MESSAGE_BYTES = 1024 * 1024 * 1024 + 16 * 1024 * 1024;
/** How often the directory is asked that does not answer, and how long after another, ms. */
const MAX_ASKS = 5;
const ASK_MS = 500;

/** Takes sessions that other nodes want to move here. */
export class SessionArrivals {
  readonly #parameters: SessionArrivalsParameters;

  constructor(parameters: SessionArrivalsParameters) {
    this.#parameters = parameters;
  }

  /** Loads the page of a session, and takes it from the node that offers it. The answer is a {@link MoveAnswer}. Never rejects. */
  async answer(call: RouteCall): Promise<HttpResponse> {
    try {
      await this.#take(call);
      return answered({ taken: true });
    } catch (thrown) {
      const error = asError(thrown);
      const { streamId } = call;
      this.#parameters.logger.warn({ err: error, streamId }, 'a session could not move to this server');
      return answered({ taken: false, code: error instanceof StreamKitError ? error.code : 'internal' });
    }
  }

  async #take({ streamId, request, caller }: RouteCall): Promise<void> {
    const { membership, transfers } = this.#parameters;
    await membership.checkHeld();
    const { head, file } = await readMoveMessage(request.readChunks(MAX_MESSAGE_BYTES));
    const archive = await PassingProfile.receive(head.key, file);
    const arrival = await transfers.receive(streamId, head.moved, caller, archive);
    try {
      // Also for a node that is gone by now: while its lease holds, the session can still be saved.
      if (!(await this.#isTaken(streamId, head.token)))
        throw new StreamKitError('conflict', 'The session is not offered any more');
      arrival.adopt();
    } catch (thrown) {
      void arrival.abandon();
      throw thrown;
    } finally {
      membership.endMove(streamId);
    }
  }

  /** @throws StreamKitError `unavailable`. */
  async #isTaken(streamId: string, token: string): Promise<boolean> {
    const { membership, clock } = this.#parameters;
    for (let asked = 1; ; asked++) {
      try {
        return await membership.take(streamId, token);
      } catch (thrown) {
        if (asked >= MAX_ASKS) throw thrown;
      }
      await new Promise<void>((resolve) => void clock.after(ASK_MS, resolve));
    }
  }
}

function answered(answer: MoveAnswer): HttpResponse {
  return jsonResponse(200, answer);
}
