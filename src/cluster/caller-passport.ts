import { createHash, createHmac, randomUUID, timingSafeEqual, type KeyObject } from 'node:crypto';

import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import { callerId, callerLimits, callerRole } from '../options/access-options.js';
import { isPlainObject } from '../options/option-checks.js';
import type { PassedCaller, PassedRequest } from '../http/peer-nodes.js';
import type { Caller } from '../session/caller.js';

/** The header with which one node tells another who makes a request. */
export const PASSPORT_HEADER = 'x-stream-kit-caller';

/** How long one is good, ms. The clocks of two nodes may differ by as much. */
const LIFETIME_MS = 30_000;
/** Longest one, characters: Node takes 16 KiB of headers. */
const MAX_CHARS = 8192;
/** Most that were used and are remembered; beyond it requests are refused until some have expired. */
const MAX_USED = 200_000;
const PREFIX = 'skp1.';
const PARTS = /^(skp1\.[\w-]+)\.([\w-]{43})$/;

export interface CallerPassportsParameters {
  readonly key: KeyObject;
  readonly nodeId: string;
  readonly clock: Clock;
}

/**
 * Signs for one request who makes it, and checks that: `skp1.`, JSON in base64url, a dot, and HMAC-SHA256 over what stands before
 * that dot. It is good for one method and target at one node, once. The body is not in it: it is streamed.
 */
export class CallerPassports {
  readonly #parameters: CallerPassportsParameters;
  /** Until when each that was used would be good, ms; oldest first. */
  readonly #used = new Map<string, number>();

  constructor(parameters: CallerPassportsParameters) {
    this.#parameters = parameters;
  }

  /**
   * @param nodeId - the node that gets the request.
   * @param prefix - path of this node's router as the client sees it.
   */
  issue(caller: Caller, request: Omit<PassedRequest, 'headers'>, nodeId: string, prefix: string): string {
    const { key, id, role, limits, anonymous, scoped, application, context } = caller;
    const claims = {
      ...{ to: nodeId, request: digestOf(request), once: randomUUID(), prefix, key, role, limits },
      until: Math.floor(this.#parameters.clock.wallMs()) + LIFETIME_MS,
      ...(id === undefined ? {} : { id }),
      ...(anonymous === undefined ? {} : { anonymous }),
      ...(scoped === undefined ? {} : { scoped }),
      ...(application === undefined ? {} : { application }),
    };
    const whole = this.#sign({ ...claims, context });
    // It is for logs and hooks alone: without it the request has the same rights.
    return whole.length <= MAX_CHARS ? whole : this.#sign(claims);
  }

  /**
   * @returns undefined where the request has none.
   * @throws StreamKitError `forbidden`, whose message has nothing of it.
   */
  check(request: PassedRequest): PassedCaller | undefined {
    const given = request.headers[PASSPORT_HEADER];
    if (given === undefined) return undefined;
    const text = typeof given === 'string' && given.length <= MAX_CHARS ? given : '';
    const [, signed = '', tag = ''] = PARTS.exec(text) ?? [];
    const claims = signed !== '' && isSame(this.#tagOf(signed), tag) ? claimsOf(signed) : undefined;
    const { nodeId, clock } = this.#parameters;
    if (claims === undefined || claims.to !== nodeId || claims.request !== digestOf(request)) {
      throw refused('What another server says of the caller is not valid');
    }
    const { until, once } = claims;
    const nowMs = clock.wallMs();
    if (typeof until !== 'number' || until <= nowMs || until > nowMs + 2 * LIFETIME_MS) {
      throw refused(
        'What another server says of the caller has expired, or the clocks of the servers differ',
      );
    }
    this.#use(String(once), until, nowMs);
    return { caller: callerOf(claims), prefix: String(claims.prefix) };
  }

  #use(once: string, until: number, nowMs: number): void {
    for (const [used, goodUntil] of this.#used) {
      if (goodUntil > nowMs) break;
      this.#used.delete(used);
    }
    if (this.#used.has(once)) throw refused('What another server says of the caller was used before');
    if (this.#used.size >= MAX_USED) {
      const options = { status: 503, headers: { 'Retry-After': '1' } };
      throw new StreamKitError('at_capacity', 'Too many requests from other servers', options);
    }
    this.#used.set(once, until);
  }

  #sign(claims: object): string {
    const signed = PREFIX + Buffer.from(toJson(claims)).toString('base64url');
    return `${signed}.${this.#tagOf(signed)}`;
  }

  #tagOf(signed: string): string {
    return createHmac('sha256', this.#parameters.key).update(signed).digest('base64url');
  }
}

function refused(message: string): StreamKitError {
  return new StreamKitError('forbidden', message);
}

/** Of what a request asks for: the method and the target. */
function digestOf({ method, path, query }: Omit<PassedRequest, 'headers'>): string {
  return createHash('sha256').update(`${method} ${path}?${query.toString()}`).digest('base64url');
}

function isSame(expected: string, given: string): boolean {
  const [one, other] = [Buffer.from(expected), Buffer.from(given)];
  return one.byteLength === other.byteLength && timingSafeEqual(one, other);
}

function claimsOf(signed: string): Record<string, unknown> | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(signed.slice(PREFIX.length), 'base64url').toString());
    return isPlainObject(claims) ? claims : undefined;
  } catch {
    return undefined;
  }
}

/** What a node has signed, perhaps one of another version. */
function callerOf(claims: Record<string, unknown>): Caller {
  const { key, id, role, limits, anonymous, scoped, application, context } = claims;
  try {
    return {
      key: String(key),
      id: id === undefined ? undefined : callerId(id, 'id'),
      role: callerRole(role, 'role'),
      limits: callerLimits(limits, 'limits'),
      ...(anonymous === true ? { anonymous } : {}),
      ...(scoped === true ? { scoped } : {}),
      ...(application === true ? { application } : {}),
      context: isPlainObject(context) ? context : undefined,
    };
  } catch (cause) {
    throw new StreamKitError('forbidden', 'Another server says of the caller what this one does not know', {
      cause,
    });
  }
}

/** The application's context may be anything, such as what refers to itself. */
function toJson(claims: object): string {
  try {
    return JSON.stringify(claims);
  } catch {
    return JSON.stringify({ ...claims, context: undefined });
  }
}
