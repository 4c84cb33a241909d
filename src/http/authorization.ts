import type { IncomingMessage } from 'node:http';

import type { ResolvedAccessOptions, RequestValidation } from '../options/access-options.js';
import { callerId, callerLimits, callerRole } from '../options/access-options.js';
import type { Logger } from '../base/logger.js';
import { hasRight } from '../protocol/rights.js';
import type { RouteDefinition } from '../protocol/route-definition.js';
import { asError, StreamKitError } from '../base/errors.js';
import { isPlainObject } from '../options/option-checks.js';
import type { Caller } from '../session/caller.js';
import { callerKeyOf, ownsSession } from '../session/caller.js';
import { callerAddress } from './caller-address.js';
import type { AccessRequest } from './http-message.js';
import { remoteReason } from './local-access.js';
import type { StreamTokens } from './stream-tokens.js';
import { STREAM_TOKEN_PREFIX } from './stream-tokens.js';

/** What a request is for. */
export interface AccessTarget {
  /** Empty for the route that has none. */
  readonly streamId: string;
  readonly route: RouteDefinition;
}

/**
 * Decides whether a request may pass, and says who makes it. Everything but a clear yes refuses it. A stream token decides
 * alone, by its scopes: one that is bad does not leave the decision to `validateRequest`.
 *
 * @throws StreamKitError `unauthorized` or `forbidden` for a no, `internal` where `validateRequest` throws or its result
 * is malformed.
 */
export type Authorize = (request: AccessRequest, target: AccessTarget) => Promise<Caller>;

type AuthorizationOptions<TEnv> = Pick<
  ResolvedAccessOptions<TEnv>,
  'getEnv' | 'validateRequest' | 'trustProxy' | 'allowAnonymous'
>;

/** What {@link createAuthorize} asks others for. */
export interface AuthorizationSources {
  /** Undefined: `?token=` means nothing here, and is the application's own. */
  readonly tokens: StreamTokens | undefined;
  /** Who has created a session; undefined where nobody knows, as of one that never was. */
  readonly creatorOf: (streamId: string) => Caller | undefined;
  readonly logger: Logger;
}

export function createAuthorize<TEnv>(
  options: AuthorizationOptions<TEnv>,
  { tokens, creatorOf, logger }: AuthorizationSources,
): Authorize {
  const byDefault = createDefaultAccess(options, logger);
  const checkRight = createRightCheck(creatorOf);
  return async (request, target) => {
    if (target.route.right === 'none') return ANYBODY;
    const addressKey = `address ${callerAddress(request, options.trustProxy)}`;
    const token = tokens === undefined ? undefined : streamTokenOf(request);
    if (tokens !== undefined && token !== undefined) {
      return callerOfToken(tokens, token, target, addressKey);
    }
    const result = await validation(request, options);
    const caller = result === undefined ? byDefault(request, addressKey) : callerOf(addressKey, result);
    checkRight(caller, target);
    return caller;
  };
}

/** Whether a caller who is known may do this. @throws StreamKitError `forbidden`. */
export type CheckRight = (caller: Caller, target: AccessTarget) => void;

export function createRightCheck(creatorOf: AuthorizationSources['creatorOf']): CheckRight {
  return (caller, { route, streamId }) => {
    if (caller.scoped === true) return;
    const creator = route.right === 'own' ? creatorOf(streamId) : undefined;
    // Whatever nobody has created is answered with 404 by its handler.
    const owns = creator === undefined || ownsSession(creator, caller);
    if (hasRight(caller.role, route.right, owns)) return;
    throw new StreamKitError('forbidden', REFUSALS[route.right]);
  };
}

/** The caller of a route that anybody may use. */
const ANYBODY: Caller = { key: '', id: undefined, role: 'viewer', limits: {}, context: undefined };

const REFUSALS = {
  none: 'This caller may not use this route',
  watch: 'This caller may not watch',
  control: 'This needs the role controller',
  create: 'Creating a session needs the role owner',
  own: 'Only the owner of this session may do this',
  operate: 'This needs the role operator',
} as const;

const ANONYMOUS_LIMITS = Object.freeze({ maxSessions: 1, maxViewers: 4 });

/**
 * Who calls where there is no `validateRequest`: everybody with `allowAnonymous`, or else whoever is on this machine.
 *
 * @throws StreamKitError `forbidden`. The first time is logged.
 */
function createDefaultAccess(
  { trustProxy, allowAnonymous }: Pick<ResolvedAccessOptions, 'trustProxy' | 'allowAnonymous'>,
  logger: Logger,
): (request: AccessRequest, key: string) => Caller {
  if (allowAnonymous) {
    return (_request, key) => ({
      ...{ key, id: undefined, role: 'owner', limits: ANONYMOUS_LIMITS, context: undefined },
      anonymous: true,
    });
  }
  let isLogged = false;
  return (request, key) => {
    const reason = remoteReason(request, trustProxy);
    if (reason === undefined) {
      return { key, id: undefined, role: 'operator', limits: {}, context: undefined };
    }
    if (!isLogged) {
      isLogged = true;
      logger.warn(
        { reason },
        'a request was refused: without validateRequest or allowAnonymous only clients of this machine are answered',
      );
    }
    throw new StreamKitError(
      'forbidden',
      `This server answers only clients of this machine because it has no validateRequest, and ${reason}`,
    );
  };
}

/**
 * The same decision for a connection that is going to be upgraded to a WebSocket. It does not look at the header `Origin`,
 * which browsers send with every upgrade and do not restrict: {@link CorsPolicy.permits} does.
 */
export function authorizeUpgrade(
  authorize: Authorize,
  request: IncomingMessage,
  target: AccessTarget,
): Promise<Caller> {
  const { url = '/', headers, socket } = request;
  const query = new URLSearchParams(/\?(.*)$/s.exec(url)?.[1]);
  const access = { native: request, headers, query, remoteAddress: socket.remoteAddress };
  return authorize(access, target);
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
  { streamId, route: { scope } }: AccessTarget,
  addressKey: string,
): Caller {
  const claims = tokens.verify(token);
  // The id of a session is no secret; its comparison may take the time it takes.
  if (claims.streamId !== streamId || scope === null || !claims.scope.includes(scope)) {
    throw new StreamKitError('forbidden', 'The stream token does not permit this request');
  }
  const { role, callerId: id, callerContext: context } = claims;
  const key = id === undefined ? addressKey : callerKeyOf(id);
  return { key, id, role, limits: {}, scoped: true, context };
}

/** Undefined: there is no `validateRequest`. */
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
function callerOf(addressKey: string, result: RequestValidation): Caller {
  const { callerContext, callerId: given, role, limits } = result;
  try {
    const id = given === undefined ? undefined : callerId(given, 'callerId');
    return {
      key: id === undefined ? addressKey : callerKeyOf(id),
      id,
      role: role === undefined ? 'owner' : callerRole(role, 'role'),
      limits: limits === undefined ? {} : callerLimits(limits, 'limits'),
      context: isPlainObject(callerContext) ? callerContext : undefined,
    };
  } catch (thrown) {
    throw malformed(asError(thrown).message);
  }
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
