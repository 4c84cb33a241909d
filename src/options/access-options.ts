import type { KeyObject } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

import { CALLER_ROLES, type CallerRole } from '../protocol/rights.js';
import { StreamKitError } from '../base/errors.js';
import {
  aBoolean,
  aFunction,
  anObject,
  badOption,
  integerBetween,
  isPlainObject,
  listOf,
  oneOf,
} from './option-checks.js';
import {
  option,
  type OptionsOf,
  required,
  type ResolvedOptionsOf,
  resolveTable,
  statedOptions,
  tableCheck,
} from './option-definition.js';
import { secretOption } from './secret-option.js';

/** Longest lifetime of a stream token, seconds. */
export const MAX_TOKEN_LIFETIME_SECONDS = 86_400;
const MIN_SECRET_BYTES = 32;
const MAX_SECRETS = 16;

const CALLER_LIMITS = {
  /** Sessions that it has created and that still run, 0–1000. One more answers 429. */
  maxSessions: option<number>(integerBetween(0, 1000)),
  /** Viewers that it has at once, in all sessions together, 0–10000. One more answers 429. */
  maxViewers: option<number>(integerBetween(0, 10_000)),
  /**
   * Width times height of the picture of a session that it creates, pixels, 4096–8294400. A resolution beyond it answers
   * 403; where the request names none, the default is scaled down to fit.
   */
  maxPixels: option<number>(integerBetween(64 * 64, 3840 * 2160)),
  /** Pictures a second of such a session, 1–60. A rate beyond it answers 403; it lowers the default. */
  maxFrameRate: option<number>(integerBetween(1, 60)),
  /** Bits a second of such a session, 100000–100000000. It lowers whatever is asked for. */
  maxBitrateBps: option<number>(integerBetween(100_000, 100_000_000)),
};

/** What one caller may have and ask for. What is left out is bounded by the router's own options alone. */
export interface CallerLimits extends OptionsOf<typeof CALLER_LIMITS> {}

/** What {@link AccessOptions.validateRequest} decides. */
export interface RequestValidation {
  authorized: boolean;
  /** Why not: the `message` of the error answer. */
  error?: string;
  /** HTTP status of the refusal, 400–599. Default 401. */
  status?: number;
  /**
   * Who is calling, in the application's own words. It is logged with the sessions and viewers that the request makes and
   * given to `onError`, so no secret belongs in it.
   */
  callerContext?: Record<string, unknown>;
  /**
   * Who is calling, 1–256 characters: what limits are counted under, and the only caller that its viewers obey. Default:
   * the remote address (of IPv6 its /64 network), which counts but does not own: it may change while a viewer lives.
   */
  callerId?: string;
  /**
   * What the caller may do: a `viewer` watches; a `controller` may be given control; an `owner` also creates sessions, and
   * ends, changes and records those with its `callerId`; an `operator` does so with all of them, lists them and reads the
   * metrics. Default `owner`.
   */
  role?: CallerRole;
  /** Bounds of this caller. Default none. */
  limits?: CallerLimits;
}

const CORS = {
  /**
   * `'*'`; or origins such as `https://app.example.org`, compared whole; or a function that decides over each. Whatever
   * it returns but true is a no, and what it throws is reported as an error of the server. It is asked about the origin
   * `null` as well, which any page can have: say no to it.
   */
  origins: required<'*' | readonly string[] | ((origin: string) => boolean | Promise<boolean>)>(corsOrigins),
  /** Whether they may send cookies and HTTP authentication of the browser. Refused with `'*'`. Default false. */
  credentials: option<boolean>(aBoolean, false),
  /** How long browsers may keep the answer to a preflight, seconds, 0–86400. Default 600. */
  maxAgeSeconds: option<number>(integerBetween(0, 86_400), 600),
};

/** Which pages of other origins may use the routes (the CORS protocol of the Fetch standard). */
export interface CorsOptions extends OptionsOf<typeof CORS> {}

export type ResolvedCorsOptions = ResolvedOptionsOf<typeof CORS>;

type OriginDecision = (origin: string) => boolean | Promise<boolean>;
type CorsOrigins = '*' | readonly string[] | OriginDecision;

const STREAM_TOKENS = {
  /** At least 32 bytes, random. Exactly one of `secret` and `secrets` is given. Default none. */
  secret: option<string | Uint8Array, KeyObject>(secretOption(MIN_SECRET_BYTES)),
  /**
   * 1–16 of them: the first signs, each verifies, so that one can be replaced while tokens of the old one live. Default
   * none.
   */
  secrets: option<readonly (string | Uint8Array)[], readonly KeyObject[]>(secretList),
  /** How long a token is good where it does not say, seconds, 1–86400. Default 300. */
  lifetimeSeconds: option<number>(integerBetween(1, MAX_TOKEN_LIFETIME_SECONDS), 300),
};

/** Tokens that stand in for `validateRequest` at some routes of one session: HMAC-SHA256 over what they permit. */
export interface StreamTokenOptions extends OptionsOf<typeof STREAM_TOKENS> {}

export interface ResolvedStreamTokenOptions {
  /** The first signs. Key objects do not show their bytes when they are printed. */
  readonly keys: readonly KeyObject[];
  readonly lifetimeSeconds: number;
}

const rate = integerBetween(1, 100_000);

const RATE_LIMITS = {
  /** Sessions created, 1–100000 a minute; after a pause so many at once. Default 120. */
  sessionsPerMinute: option<number>(rate, 120),
  /** Signals, ICE candidates among them, 1–100000 a second; after a pause ten times as many at once. Default 500. */
  signalsPerSecond: option<number>(rate, 500),
  /**
   * Event streams, WebSockets, those of `/cdp` among them, and WHEP players opened, 1–100000 per minute; after a pause this
   * many at once. Operators are exempt; anonymous callers get a tenth. Default 600.
   */
  joinsPerMinute: option<number>(rate, 600),
  /** Snapshots, 1–100000 per minute; after a pause this many at once. Operators are exempt. Default 600. */
  snapshotsPerMinute: option<number>(rate, 600),
  /** Requests that wait for their answer at the same time, 1–100000. Operators are exempt. Default 200. */
  openRequests: option<number>(rate, 200),
};

/** How often one caller may do what costs. Beyond it the answer is 429 `at_capacity` with `Retry-After`. */
export interface RateLimitOptions extends OptionsOf<typeof RATE_LIMITS> {}

export type ResolvedRateLimitOptions = ResolvedOptionsOf<typeof RATE_LIMITS>;

type AnyFunction = (...parameters: never[]) => unknown;

export const ACCESS_OPTIONS = {
  // Their types are those of the application: AccessOptions has them.
  getEnv: option<AnyFunction>(aFunction),
  validateRequest: option<AnyFunction>(aFunction),
  /**
   * Without `validateRequest`: answers everybody, each address with at most one session, 4 viewers and a tenth of
   * `rateLimits.joinsPerMinute`. With `false` only clients of this machine are answered, and only if `Host` is an IP address
   * or `localhost` (protection against DNS rebinding). Refused beside `validateRequest` and `terminal`. Default false.
   */
  allowAnonymous: option<boolean>(aBoolean, false),
  /**
   * How many proxies in front of the router add to `X-Forwarded-For`, 0–10; true: one. The address of a caller is then
   * the entry that the outermost of them has added, else that of the connection, whatever a header says. Default false.
   */
  trustProxy: option<boolean | number, number>(proxyCount, 0),
  /** Lets pages of other origins use the routes. Default: none may. */
  cors: option<CorsOptions, ResolvedCorsOptions>(corsOptions),
  /** Makes `router.createStreamToken` work, and `?token=` pass for `validateRequest`. Default: there are no tokens. */
  streamTokens: option<StreamTokenOptions, ResolvedStreamTokenOptions>(streamTokenOptions),
  /** Rates of one caller; callers that cannot be told apart share one. Default: those of {@link RateLimitOptions}. */
  rateLimits: option<RateLimitOptions | false, ResolvedRateLimitOptions | undefined>(
    rateLimitOptions,
    rateLimitOptions({}, 'rateLimits'),
  ),
};

/** The options that say who may do what. Part of `StreamKitOptions`. */
export interface AccessOptions<TEnv = unknown, TRequest = IncomingMessage> extends OptionsOf<
  typeof ACCESS_OPTIONS
> {
  /** Called once a request; what it returns is the second argument of `validateRequest`. Default none. */
  getEnv?: () => TEnv | Promise<TEnv>;
  /**
   * Decides over every request of every route. Only a result with `authorized: true` lets it through; a throw
   * or anything malformed answers 500. Default: only clients of this machine pass, see `allowAnonymous`.
   *
   * @param request - Node's request, under Express an `express.Request`; the web-standard `Request` for `router.fetch`.
   */
  validateRequest?(request: TRequest, env: TEnv): RequestValidation | Promise<RequestValidation>;
}

/** {@link AccessOptions} with defaults filled in. */
export interface ResolvedAccessOptions<TEnv = unknown> extends ResolvedOptionsOf<typeof ACCESS_OPTIONS> {
  readonly getEnv: (() => TEnv | Promise<TEnv>) | undefined;
  readonly validateRequest: ((request: IncomingMessage | Request, env: TEnv) => unknown) | undefined;
}

/** @throws StreamKitError `bad_option` where both are given. */
export function checkAnonymousAccess({
  allowAnonymous,
  validateRequest,
}: Pick<ResolvedOptionsOf<typeof ACCESS_OPTIONS>, 'allowAnonymous' | 'validateRequest'>): void {
  if (!allowAnonymous || validateRequest === undefined) return;
  throw new StreamKitError('bad_option', 'Expected no allowAnonymous beside validateRequest, which decides');
}

/** The role that `validateRequest` gave. @throws StreamKitError `bad_option`. */
export function callerRole(value: unknown, name: string): CallerRole {
  return oneOf(...CALLER_ROLES)(value, name);
}

/** A misspelt limit must not pass for none. @throws StreamKitError `bad_option`. */
export function callerLimits(value: unknown, name: string): CallerLimits {
  return statedOptions(CALLER_LIMITS, anObject(value, name), name);
}

/** @throws StreamKitError `bad_option`. */
export function callerId(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '' || value.length > 256) {
    throw badOption('string of 1 to 256 characters', name, value);
  }
  return value;
}

function proxyCount(value: unknown, name: string): number {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value !== 'number') throw badOption('boolean or integer between 0 and 10', name, value);
  return integerBetween(0, 10)(value, name);
}

const checkCors = tableCheck(CORS);

function corsOptions(value: unknown, name: string): ResolvedCorsOptions {
  const cors = checkCors(value, name);
  if (cors.credentials && cors.origins === '*') {
    throw new StreamKitError(
      'bad_option',
      `Expected no ${name}.credentials with ${name}.origins '*' because every site could then act for a user`,
    );
  }
  return cors;
}

function corsOrigins(value: unknown, name: string): CorsOrigins {
  if (value === '*') return value;
  if (typeof value === 'function') return value as OriginDecision;
  if (!Array.isArray(value)) throw badOption("'*', array or function", name, value);
  return listOf(corsOrigin)(value, name);
}

/** As browsers write it (RFC 6454 section 6.2): in another form it would never match. */
function corsOrigin(value: unknown, name: string): string {
  const isOrigin = typeof value === 'string' && /^[a-z][a-z\d+.-]*:\/\/[^/?#@\s*]+$/.test(value);
  const isWeb = isOrigin && /^https?:/.test(value);
  if (!isOrigin || (isWeb && (!URL.canParse(value) || new URL(value).origin !== value))) {
    throw badOption('origin such as https://app.example.org', name, value);
  }
  return value;
}

const checkStreamTokens = tableCheck(STREAM_TOKENS);

function streamTokenOptions(value: unknown, name: string): ResolvedStreamTokenOptions {
  const { secret, secrets, lifetimeSeconds } = checkStreamTokens(value, name);
  if ((secret === undefined) === (secrets === undefined)) {
    throw new StreamKitError('bad_option', `Expected one of ${name}.secret and ${name}.secrets`);
  }
  const keys = secrets ?? Object.freeze(secret === undefined ? [] : [secret]);
  return Object.freeze({ keys, lifetimeSeconds });
}

function secretList(value: unknown, name: string): readonly KeyObject[] {
  if (!Array.isArray(value) || value.length < 1 || value.length > MAX_SECRETS) {
    // Not shown: it may be the secret itself.
    throw new StreamKitError('bad_option', `Expected array of 1 to ${MAX_SECRETS} secrets for ${name}`);
  }
  const check = secretOption(MIN_SECRET_BYTES);
  return Object.freeze(value.map((one: unknown) => check(one, name)));
}

function rateLimitOptions(value: unknown, name: string): ResolvedRateLimitOptions | undefined {
  if (value === false) return undefined;
  if (!isPlainObject(value)) throw badOption('object or false', name, value);
  return resolveTable(RATE_LIMITS, value, name);
}
