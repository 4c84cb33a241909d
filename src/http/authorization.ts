import type { IncomingMessage } from 'node:http';

import type { ResolvedAccessOptions, RequestValidation } from '../options/access-options.js';
import { callerId, callerLimits } from '../options/access-options.js';
import { asError, StreamKitError } from '../base/errors.js';
import { isPlainObject, oneOf } from '../options/option-checks.js';
import type { Caller } from '../session/caller.js';
import { callerAddress } from './caller-address.js';
import type { AccessRequest } from './http-message.js';
import type { StreamTokens, StreamTokenScope } from './stream-tokens.js';
import { STREAM_TOKEN_PREFIX } from './stream-tokens.js';

/** What a request is for. */
export interface AccessTarget {
  /** Empty for the route that has none. */
  readonly streamId: string;
  /** What a stream token must permit; undefined: no token can. */
  readonly scope: StreamTokenScope | undefined;
}

/**
 * Decides whether a request may pass, and says who makes it. Everything but a clear yes refuses it. A stream token decides
 * alone: one that is bad does not leave the decision to `validateRequest`.
 *
 * @throws StreamKitError `unauthorized` or `forbidden` for a no, `internal` where `validateRequest` throws or its result
 * is malformed.
 */
export type Authorize = (request: AccessRequest, target: AccessTarget) => Promise<Caller>;

type AuthorizationOptions<TEnv> = Pick<
  ResolvedAccessOptions<TEnv>,
  'getEnv' | 'validateRequest' | 'trustProxy'
>;

/** @param tokens - undefined: `?token=` means nothing here, and is the application's own. */
export function createAuthorize<TEnv>(
  options: AuthorizationOptions<TEnv>,
  tokens: StreamTokens | undefined,
): Authorize {
  return async (request, target) => {
    const addressKey = `address ${callerAddress(request, options.trustProxy)}`;
    const token = tokens === undefined ? undefined : streamTokenOf(request);
    if (tokens !== undefined && token !== undefined) {
      return callerOfToken(tokens, token, target, addressKey);
    }
    const result = await validation(request, options);
    return callerOf(addressKey, result);
  };
}

/**
 * The same decision for a connection that is going to be upgraded to a WebSocket. It does not look at the header `Origin`,
 * which browsers send with every upgrade and do not restrict: {@link CorsPolicy.permits} does.
 */
export function authorizeUpgrade(
  authorize: Authorize,
  request: IncomingMessage,
  streamId: string,
): Promise<Caller> {
  const { url = '/', headers, socket } = request;
  const query = new URLSearchParams(/\?(.*)$/s.exec(url)?.[1]);
  const access = { native: request, headers, query, remoteAddress: socket.remoteAddress };
  return authorize(access, { streamId, scope: 'stream' });
}

/**
 * The token of a request, or several that cannot all be meant: `?token=` is for an EventSource, which cannot set headers,
 * `Authorization: Bearer` for players and whatever else can. Undefined where there is none of ours.
 */
function streamTokenOf({ query, headers }: AccessRequest): string | undefined {
  const inQuery = query.getAll('token');
  if (inQuery.length > 0) return inQuery.join(' ');
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
  return bearer?.startsWith(STREAM_TOKEN_PREFIX) === true ? bearer : undefined;
}

function callerOfToken(
  tokens: StreamTokens,
  token: string,
  { streamId, scope }: AccessTarget,
  addressKey: string,
): Caller {
  const claims = tokens.verify(token);
  // The id of a session is no secret; its comparison may take the time it takes.
  if (claims.streamId !== streamId || scope === undefined || !claims.scope.includes(scope)) {
    throw new StreamKitError('forbidden', 'The stream token does not permit this request');
  }
  const { role, callerId: id, callerContext: context } = claims;
  return { key: id === undefined ? addressKey : keyOf(id), id, role, limits: {}, context };
}

/** Undefined: everybody may pass, and nothing is known of them. */
async function validation<TEnv>(
  request: AccessRequest,
  options: AuthorizationOptions<TEnv>,
): Promise<RequestValidation | undefined> {
  if (options.validateRequest === undefined) return undefined;
  let result: unknown;
  try {
    // Without getEnv, TEnv is whatever the application says nothing of.
    const env = (await options.getEnv?.()) as TEnv;
    result = await options.validateRequest(request.native, env);
  } catch (thrown) {
    throw new StreamKitError('internal', 'The request could not be validated', { cause: asError(thrown) });
  }
  if (!isPlainObject(result) || typeof result.authorized !== 'boolean') throw malformed();
  const { authorized, error, status } = result;
  if (authorized) return result as unknown as RequestValidation;
  if (status !== undefined && !isErrorStatus(status)) throw malformed();
  throw refusal(status ?? 401, typeof error === 'string' ? error : 'The request is not authorized');
}

/** What an application's yes says of the caller is checked as well: a limit that is misspelt must not pass for none. */
function callerOf(addressKey: string, result: RequestValidation | undefined): Caller {
  const { callerContext, callerId: given, role, limits }: Partial<RequestValidation> = result ?? {};
  try {
    const id = given === undefined ? undefined : callerId(given, 'callerId');
    return {
      key: id === undefined ? addressKey : keyOf(id),
      id,
      role: role === undefined ? 'controller' : oneOf('viewer', 'controller')(role, 'role'),
      limits: limits === undefined ? {} : callerLimits(limits, 'limits'),
      context: isPlainObject(callerContext) ? callerContext : undefined,
    };
  } catch (thrown) {
    throw malformed(asError(thrown).message);
  }
}

/** No address can be mistaken for a name. */
function keyOf(id: string): string {
  return `id ${id}`;
}

function refusal(status: number, message: string): StreamKitError {
  if (status !== 401) return new StreamKitError('forbidden', message, { status });
  // RFC 9110 section 15.5.2: a 401 names a scheme.
  return new StreamKitError('unauthorized', message, { headers: { 'WWW-Authenticate': 'Bearer' } });
}

function malformed(sentence?: string): StreamKitError {
  const shape = '{ authorized: boolean, error?, status? 400-599, callerContext?, callerId?, role?, limits? }';
  const cause = new Error(
    `validateRequest must return ${shape}${sentence === undefined ? '' : `: ${sentence}`}`,
  );
  return new StreamKitError('internal', 'The request could not be validated', { cause });
}

function isErrorStatus(status: unknown): status is number {
  return typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599;
}
