import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto';

import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import type { ResolvedStreamTokenOptions } from '../options/access-options.js';
import { isPlainObject } from '../options/option-checks.js';
import { streamTokenRequest, type StreamTokenRequest } from '../options/stream-token-request.js';
import type { ViewerRole } from '../protocol/rights.js';
import { STREAM_TOKEN_SCOPES, type StreamTokenScope } from '../protocol/token-scopes.js';

/** What a token that holds says. */
export interface StreamTokenClaims {
  readonly streamId: string;
  readonly scope: readonly StreamTokenScope[];
  readonly role: ViewerRole;
  readonly callerId: string | undefined;
  readonly callerContext: Readonly<Record<string, unknown>> | undefined;
}

/** Sets our tokens apart from an application's own, and what we sign from whatever else its secret signs. */
export const STREAM_TOKEN_PREFIX = 'skt1.';
/** Longest token: it has to fit into a request line with the rest. */
const MAX_TOKEN_CHARS = 4096;
const PARTS = /^(skt1\.[\w-]+)\.([\w-]{43})$/;

/**
 * Makes and checks stream tokens: `skt1.`, the claims as JSON in base64url, a dot, and HMAC-SHA256 over what stands
 * before that dot.
 */
export class StreamTokens {
  readonly #options: ResolvedStreamTokenOptions;
  readonly #clock: Clock;

  constructor(options: ResolvedStreamTokenOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** @throws StreamKitError `bad_option` for the first entry that is wrong or unknown. */
  create(request: StreamTokenRequest): string {
    const asked = streamTokenRequest(request, 'request');
    const { streamId, scope, role, callerId: id, callerContext } = asked;
    const seconds = asked.expiresInSeconds ?? this.#options.lifetimeSeconds;
    const claims = {
      s: streamId,
      c: [...new Set(scope)],
      r: role,
      e: Math.floor(this.#clock.wallMs()) + seconds * 1000,
      ...(id === undefined ? {} : { i: id }),
      ...(callerContext === undefined ? {} : { x: callerContext }),
    };
    const signed = STREAM_TOKEN_PREFIX + Buffer.from(toJson(claims)).toString('base64url');
    const [key] = this.#options.keys;
    if (key === undefined) throw new StreamKitError('internal', 'There is no secret to sign with');
    const token = `${signed}.${tagOf(key, signed)}`;
    if (token.length > MAX_TOKEN_CHARS) {
      throw new StreamKitError('bad_option', `The token is longer than ${MAX_TOKEN_CHARS} characters`);
    }
    return token;
  }

  /** @throws StreamKitError `unauthorized`, whose message has nothing of the token in it. */
  verify(token: string): StreamTokenClaims {
    const [, signed = '', tag = ''] = (token.length <= MAX_TOKEN_CHARS ? PARTS.exec(token) : null) ?? [];
    // The tags are compared as they are written, so that no other way to write the same bits is one. All keys are tried,
    // so that the time says nothing of which one it was.
    const genuine = this.#options.keys.filter((key) => sameTag(tagOf(key, signed), tag)).length > 0;
    const claims = signed !== '' && genuine ? claimsOf(signed) : undefined;
    if (claims === undefined) throw refused('The stream token is not valid');
    if (claims.expiresAtMs <= this.#clock.wallMs()) throw refused('The stream token has expired');
    return claims;
  }
}

/** @param tokens - undefined: what it returns throws `not_found`. */
export function tokenMaker(tokens: StreamTokens | undefined): (request: StreamTokenRequest) => string {
  return (request) => {
    if (tokens === undefined) throw new StreamKitError('not_found', 'There is no option streamTokens');
    return tokens.create(request);
  };
}

/** RFC 9110 section 15.5.2: a 401 names a scheme. */
function refused(message: string): StreamKitError {
  return new StreamKitError('unauthorized', message, { headers: { 'WWW-Authenticate': 'Bearer' } });
}

function tagOf(key: KeyObject, signed: string): string {
  return createHmac('sha256', key).update(signed).digest('base64url');
}

function sameTag(expected: string, given: string): boolean {
  const [one, other] = [Buffer.from(expected), Buffer.from(given)];
  return one.byteLength === other.byteLength && timingSafeEqual(one, other);
}

/** What we have signed ourselves; undefined where another version of this did. */
function claimsOf(signed: string): (StreamTokenClaims & { readonly expiresAtMs: number }) | undefined {
  const json = Buffer.from(signed.slice(STREAM_TOKEN_PREFIX.length), 'base64url').toString();
  let claims: unknown;
  try {
    claims = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!isPlainObject(claims)) return undefined;
  const { s: streamId, c: scopes, r: role, e: expiresAtMs, i: id, x: context } = claims;
  if (typeof streamId !== 'string' || !Array.isArray(scopes) || typeof expiresAtMs !== 'number')
    return undefined;
  if ((role !== 'viewer' && role !== 'controller') || (id !== undefined && typeof id !== 'string'))
    return undefined;
  return {
    streamId,
    scope: STREAM_TOKEN_SCOPES.filter((scope) => scopes.includes(scope)),
    role,
    expiresAtMs,
    callerId: id,
    callerContext: isPlainObject(context) ? context : undefined,
  };
}

function toJson(claims: object): string {
  try {
    return JSON.stringify(claims);
  } catch {
    throw new StreamKitError('bad_option', 'Expected JSON for request.callerContext');
  }
}
