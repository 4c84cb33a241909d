import { createSecretKey, randomBytes } from 'node:crypto';

import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import type { HttpRequest, HttpResponse } from '../http/http-message.js';
import type { PeerNodes } from '../http/peer-nodes.js';
import type { RouteCall } from '../http/route-handler.js';
import type { RouteName } from '../protocol/routes.js';
import type { StreamSessionState } from '../protocol/state-document.js';
import { createdAnswer, IdempotentCreation, idempotencyKey, withBody } from './idempotent-creation.js';
import { MemoryDirectory } from './memory-directory.js';

/** A server without others: it answers everything itself, and keeps idempotency keys in memory. */
export class LoneNode implements Pick<PeerNodes, 'passedCaller' | 'answer' | 'checkHere' | 'whenCertain'> {
  readonly #creation: IdempotentCreation;

  /** @param stateOf - of a session; undefined where there is none. */
  constructor(clock: Clock, stateOf: (streamId: string) => Readonly<StreamSessionState> | undefined) {
    this.#creation = new IdempotentCreation({
      directory: new MemoryDirectory(clock),
      secret: createSecretKey(randomBytes(32)),
      createdBefore: ({ request }, streamId) => {
        const state = stateOf(streamId);
        return state === undefined
          ? Promise.reject(new StreamKitError('no_such_session', 'The session that was created has ended'))
          : Promise.resolve(createdAnswer(request, streamId, state));
      },
    });
  }

  passedCaller(): undefined {
    return undefined;
  }

  checkHere(): void {
    // Sessions go nowhere.
  }

  whenCertain(): Promise<void> {
    return Promise.resolve();
  }

  async answer(
    call: RouteCall,
    route: RouteName,
    answer: (request: HttpRequest) => Promise<HttpResponse>,
  ): Promise<HttpResponse> {
    const { request } = call;
    const key = route === 'createSession' ? idempotencyKey(request) : undefined;
    if (key === undefined) return answer(request);
    const body = await request.readJson();
    return this.#creation.answer(key, call, body, () => answer(withBody(request, body)));
  }
}
