import { StreamKitError } from '../base/errors.js';
import type { ViewerRole } from '../protocol/rights.js';
import { STREAM_TOKEN_SCOPES, type StreamTokenScope } from '../protocol/token-scopes.js';
import { callerId, MAX_TOKEN_LIFETIME_SECONDS } from './access-options.js';
import { anObject, badOption, integerBetween, listOf, oneOf } from './option-checks.js';
import { option, type OptionsOf, required, tableCheck } from './option-definition.js';

const STREAM_TOKEN_REQUEST = {
  /** The one session that the token is good for. */
  streamId: required<string>(sessionId),
  /**
   * `state`: `GET /:id` and `GET /:id/diagnostics`; `sse`, `signal`, `snapshot`, `whep`, `hls`: the routes of that name;
   * `recordings`: to list and fetch them; `stream`: the WebSocket;
   * `cdp`: the DevTools protocol. No token creates, records or ends anything. Default
   * `['sse', 'signal']`.
   */
  scope: option<readonly StreamTokenScope[]>(scopes, ['sse', 'signal']),
  /** What the viewers may become that it is used for. Default `viewer`. */
  role: option<ViewerRole>(oneOf('viewer', 'controller'), 'viewer'),
  /** How long it is good, seconds, 1–86400. Default: `streamTokens.lifetimeSeconds`. */
  expiresInSeconds: option<number>(integerBetween(1, MAX_TOKEN_LIFETIME_SECONDS)),
  /** As in the result of `validateRequest`. */
  callerId: option<string>(callerId),
  /** As in the result of `validateRequest`; JSON. Whoever has the token can read it. */
  callerContext: option<Record<string, unknown>>(anObject),
};

/** What `createStreamToken` is asked for. */
export interface StreamTokenRequest extends OptionsOf<typeof STREAM_TOKEN_REQUEST> {}

/** @throws StreamKitError `bad_option` for the first entry that is wrong or unknown. */
export const streamTokenRequest = tableCheck(STREAM_TOKEN_REQUEST);

function sessionId(value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^[\w-]{1,100}$/.test(value)) {
    throw badOption('id of a session', name, value);
  }
  return value;
}

function scopes(value: unknown, name: string): readonly StreamTokenScope[] {
  const list = listOf(oneOf(...STREAM_TOKEN_SCOPES))(value, name);
  if (list.length === 0) throw new StreamKitError('bad_option', `Expected a scope for ${name}`);
  return list;
}
