import { type Clock, systemClock } from '../base/clock.js';
import { abortingAfter } from '../base/deadline.js';
import { asError } from '../base/errors.js';
import { type EgressAnswer, type EgressClient, type EgressRequest } from '../egress/egress-client.js';
import { Refusal } from '../egress/egress-dialer.js';
import type { IceServerOption } from '../options/ice-server-options.js';
import { SDP_FRAGMENT_TYPE, SDP_TYPE } from '../protocol/routes.js';
import { iceServersOfLinks } from './ice-server-links.js';
import { PublicationFailure } from './publication-failure.js';

/** Where to publish. */
export interface WhipTarget {
  readonly url: URL;
  /** A secret. */
  readonly token: string | undefined;
}

/** What an endpoint has made of an offer. */
export interface WhipResource {
  /** Hostile: it is checked by whoever uses it. */
  readonly answer: string;
  readonly iceServers: readonly IceServerOption[];
  /**
   * Tells it of further candidates.
   *
   * @param fragment - `application/trickle-ice-sdpfrag`.
   * @returns whether it takes any.
   */
  trickle(fragment: string, signal: AbortSignal): Promise<boolean>;
  /** Ends it, as far as it can be reached. Never rejects. */
  delete(signal: AbortSignal): Promise<void>;
}

/** An answer of 2xx, and who gave it. */
interface Followed {
  readonly answer: EgressAnswer;
  readonly url: URL;
}

/** Of one request, with redirects, ms. */
const REQUEST_TIMEOUT_MS = 10_000;
const MAX_REDIRECTS = 3;
/** More is not waited for, whatever an endpoint asks, ms. */
const MAX_RETRY_AFTER_MS = 60_000;
/** Another attempt gets the same answer, unless somebody changes something. */
const FINAL_STATUSES = [400, 401, 402, 403, 405, 406, 410, 411, 413, 414, 415, 422, 501, 505];

/** The client's side of WHIP (RFC 9725), as far as it is HTTP. */
export class WhipEndpoint {
  readonly #client: Pick<EgressClient, 'send'>;
  readonly #target: WhipTarget;
  readonly #clock: Clock;

  constructor(client: Pick<EgressClient, 'send'>, target: WhipTarget, clock: Clock = systemClock) {
    this.#client = client;
    this.#target = target;
    this.#clock = clock;
  }

  /**
   * Makes a resource of an offer.
   *
   * @throws PublicationFailure; the reason of `signal`.
   */
  async publish(offer: string, signal: AbortSignal): Promise<WhipResource> {
    const { answer, url } = await this.#follow(
      {
        method: 'POST',
        url: this.#target.url,
        headers: { 'Content-Type': SDP_TYPE, Accept: SDP_TYPE },
        body: offer,
      },
      signal,
    );
    const { location = '', etag } = answer.headers;
    // RFC 9725 section 4.2: it may be relative to where the request ended up.
    const named = location !== '' && URL.canParse(location, url.href) ? new URL(location, url) : undefined;
    // One that names itself has no resource to be changed or deleted.
    const resource = named?.href === url.href ? undefined : named;
    return {
      answer: answer.body,
      iceServers: iceServersOfLinks(answer.links),
      trickle: async (fragment, until) => {
        if (resource === undefined) return false;
        const headers = {
          'Content-Type': SDP_FRAGMENT_TYPE,
          ...(etag === undefined ? {} : { 'If-Match': etag }),
        };
        try {
          await this.#follow({ method: 'PATCH', url: resource, headers, body: fragment }, until);
          return true;
        } catch {
          return false;
        }
      },
      delete: async (until) => {
        // Without a location it ends when its peer is gone.
        if (resource === undefined) return;
        await this.#follow({ method: 'DELETE', url: resource, headers: {} }, until).catch(() => undefined);
      },
    };
  }

  /** @throws PublicationFailure for anything but an answer of 2xx; the reason of `signal`. */
  #follow(request: EgressRequest, signal: AbortSignal): Promise<Followed> {
    return abortingAfter(this.#clock, REQUEST_TIMEOUT_MS, signal, (until) =>
      this.#followUntil(request, signal, until),
    );
  }

  async #followUntil(request: EgressRequest, signal: AbortSignal, until: AbortSignal): Promise<Followed> {
    let { url } = request;
    for (let redirects = 0; ; redirects += 1) {
      const answer = await this.#send({ ...request, url }, signal, until);
      const { status } = answer;
      if (status >= 200 && status < 300) return { answer, url };
      // RFC 9725 section 4.5 has 307, and 308 keeps the method as well; any other changes it.
      if (status !== 307 && status !== 308) throw refusalOf(answer);
      const { location = '' } = answer.headers;
      if (redirects === MAX_REDIRECTS || location === '' || !URL.canParse(location, url.href)) {
        throw new PublicationFailure('The endpoint redirects in a circle, or to nowhere', { isFinal: true });
      }
      url = new URL(location, url);
      if (url.username !== '' || url.password !== '') {
        throw new PublicationFailure('The endpoint redirects to a URL with credentials', { isFinal: true });
      }
    }
  }

  async #send(request: EgressRequest, signal: AbortSignal, until: AbortSignal): Promise<EgressAnswer> {
    const { url, token } = this.#target;
    // What is meant for one origin is not for another.
    const isOwn = token !== undefined && request.url.origin === url.origin;
    const headers = { ...request.headers, ...(isOwn ? { Authorization: `Bearer ${token}` } : {}) };
    try {
      return await this.#client.send({ ...request, headers }, until);
    } catch (thrown) {
      signal.throwIfAborted();
      if (thrown instanceof Refusal) {
        throw new PublicationFailure('The server may not publish to this URL, or to where it leads', {
          code: 'bad_target_url',
          isFinal: true,
          cause: thrown,
        });
      }
      throw new PublicationFailure('The endpoint cannot be reached, or does not answer', {
        cause: asError(thrown),
      });
    }
  }
}

function refusalOf({ status, headers }: EgressAnswer): PublicationFailure {
  const seconds = Number(headers['retry-after'] ?? 0);
  const retryAfterMs = Number.isFinite(seconds)
    ? Math.min(Math.max(seconds * 1000, 0), MAX_RETRY_AFTER_MS)
    : 0;
  const isRedirect = status >= 300 && status < 400;
  return new PublicationFailure(`The endpoint answers ${status}`, {
    isFinal: isRedirect || FINAL_STATUSES.includes(status),
    retryAfterMs,
  });
}
