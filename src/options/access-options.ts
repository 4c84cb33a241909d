import { createSecretKey, type KeyObject } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

import { CALLER_ROLES, type CallerRole } from '../protocol/rights.js';
import { StreamKitError } from '../base/errors.js';
import type { OptionCheck } from './option-checks.js';
import {
  aBoolean,
  aFunction,
  anObject,
  badOption,
  integerBetween,
  isPlainObject,
  listOf,
  oneOf,
  refuseUnknownNames,
} from './option-checks.js';

/** What one caller may have and ask for. What is left out is bounded by the router's own options alone. */
export interface CallerLimits {
  /** Sessions that it has created and that still run, 0–1000. One more answers 429. */
  maxSessions?: number;
  /** Viewers that it has at once, in all sessions together, 0–10000. One more answers 429. */
  maxViewers?: number;
  /**
   * Width times height of the picture of a session that it creates, pixels, 4096–8294400. A resolution beyond it answers
   * 403; where the request names none, the default is scaled down to fit.
   */
  maxPixels?: number;
  /** Pictures a second of such a session, 1–60. A rate beyond it answers 403; it lowers the default. */
  maxFrameRate?: number;
  /** Bits a second of such a session, 100000–100000000. It lowers whatever is asked for. */
  maxBitrateBps?: number;
}

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

/** Which pages of other origins may use the routes (the CORS protocol of the Fetch standard). */
export interface CorsOptions {
  /**
   * `'*'`; or origins such as `https://app.example.org`, compared whole; or a function that decides over each. Whatever
   * it returns but true is a no, and what it throws is reported as an error of the server. It is asked about the origin
   * `null` as well, which any page can have: say no to it.
   */
  origins: '*' | readonly string[] | ((origin: string) => boolean | Promise<boolean>);
  /** Whether they may send cookies and HTTP authentication of the browser. Refused with `'*'`. Default false. */
  credentials?: boolean;
  /** How long browsers may keep the answer to a preflight, seconds, 0–86400. Default 600. */
  maxAgeSeconds?: number;
}

/** Tokens that stand in for `validateRequest` at some routes of one session: HMAC-SHA256 over what they permit. */
export interface StreamTokenOptions {
  /** At least 32 bytes, random. Exactly one of `secret` and `secrets` is given. Default none. */
  secret?: string | Uint8Array;
  /**
   * 1–16 of them: the first signs, each verifies, so that one can be replaced while tokens of the old one live. Default
   * none.
   */
  secrets?: readonly (string | Uint8Array)[];
  /** How long a token is good where it does not say, seconds, 1–86400. Default 300. */
  lifetimeSeconds?: number;
}

/** How often one caller may do what costs. Beyond it the answer is 429 `at_capacity` with `Retry-After`. */
export interface RateLimitOptions {
  /** Sessions created, 1–100000 a minute; after a pause so many at once. Default 120. */
  sessionsPerMinute?: number;
  /** Signals, ICE candidates among them, 1–100000 a second; after a pause ten times as many at once. Default 500. */
  signalsPerSecond?: number;
  /**
   * Event streams, WebSockets, those of `/cdp` among them, and WHEP players opened, 1–100000 per minute; after a pause this
   * many at once. Operators are exempt; anonymous callers get a tenth. Default 600.
   */
  joinsPerMinute?: number;
  /** Snapshots, 1–100000 per minute; after a pause this many at once. Operators are exempt. Default 600. */
  snapshotsPerMinute?: number;
  /** Requests that wait for their answer at the same time, 1–100000. Operators are exempt. Default 200. */
  openRequests?: number;
}

/** The options that say who may do what. Part of `StreamKitOptions`. */
export interface AccessOptions<TEnv = unknown, TRequest = IncomingMessage> {
  /** Called once a request; what it returns is the second argument of `validateRequest`. Default none. */
  getEnv?: () => TEnv | Promise<TEnv>;
  /**
   * Decides over every request of every route. Only a result with `authorized: true` lets it through; a throw
   * or anything malformed answers 500. Default: only clients of this machine pass, see `allowAnonymous`.
   *
   * @param request - Node's request, under Express an `express.Request`; the web-standard `Request` for `router.fetch`.
   */
  validateRequest?(request: TRequest, env: TEnv): RequestValidation | Promise<RequestValidation>;
  /**
   * Without `validateRequest`: answers everybody, each address with at most one session, 4 viewers and a tenth of
   * `rateLimits.joinsPerMinute`. With `false` only clients of this machine are answered, and only if `Host` is an IP address
   * or `localhost` (protection against DNS rebinding). Refused beside `validateRequest` and `terminal`. Default false.
   */
  allowAnonymous?: boolean;
  /**
   * How many proxies in front of the router add to `X-Forwarded-For`, 0–10; true: one. The address of a caller is then
   * the entry that the outermost of them has added, else that of the connection, whatever a header says. Default false.
   */
  trustProxy?: boolean | number;
  /** Lets pages of other origins use the routes. Default: none may. */
  cors?: CorsOptions;
  /** Makes `router.createStreamToken` work, and `?token=` pass for `validateRequest`. Default: there are no tokens. */
  streamTokens?: StreamTokenOptions;
  /** Rates of one caller; callers that cannot be told apart share one. Default: those of {@link RateLimitOptions}. */
  rateLimits?: RateLimitOptions | false;
}

export type ResolvedCorsOptions = Readonly<Required<CorsOptions>>;
export type ResolvedRateLimitOptions = Readonly<Required<RateLimitOptions>>;

export interface ResolvedStreamTokenOptions {
  /** The first signs. Key objects do not show their bytes when they are printed. */
  readonly keys: readonly KeyObject[];
  readonly lifetimeSeconds: number;
}

/** {@link AccessOptions} with defaults filled in. */
export interface ResolvedAccessOptions<TEnv = unknown> {
  readonly getEnv: (() => TEnv | Promise<TEnv>) | undefined;
  readonly validateRequest: ((request: IncomingMessage | Request, env: TEnv) => unknown) | undefined;
  readonly allowAnonymous: boolean;
  /** Proxies whose entries of `X-Forwarded-For` are believed. */
  readonly trustProxy: number;
  /** Undefined: closed. */
  readonly cors: ResolvedCorsOptions | undefined;
  /** Undefined: no tokens. */
  readonly streamTokens: ResolvedStreamTokenOptions | undefined;
  /** Undefined: no limits. */
  readonly rateLimits: ResolvedRateLimitOptions | undefined;
}

export const ACCESS_OPTION_NAMES: readonly (keyof AccessOptions)[] = [
  'getEnv',
  'validateRequest',
  'allowAnonymous',
  'trustProxy',
  'cors',
  'streamTokens',
  'rateLimits',
];

/** Longest lifetime of a stream token, seconds. */
export const MAX_TOKEN_LIFETIME_SECONDS = 86_400;
const MIN_SECRET_BYTES = 32;
const MAX_SECRETS = 16;

const DEFAULT_RATE_LIMITS: ResolvedRateLimitOptions = Object.freeze({
  sessionsPerMinute: 120,
  signalsPerSecond: 500,
  joinsPerMinute: 600,
  snapshotsPerMinute: 600,
  openRequests: 200,
});

const CALLER_LIMIT_BOUNDS: Readonly<Record<keyof CallerLimits, readonly [least: number, most: number]>> = {
  maxSessions: [0, 1000],
  maxViewers: [0, 10_000],
  maxPixels: [64 * 64, 3840 * 2160],
  maxFrameRate: [1, 60],
  maxBitrateBps: [100_000, 100_000_000],
};

/** @throws StreamKitError `bad_option`. */
export function accessOptions<TEnv>(given: Readonly<Record<string, unknown>>): ResolvedAccessOptions<TEnv> {
  const optional = <T>(name: keyof AccessOptions, check: OptionCheck<T>): T | undefined =>
    given[name] === undefined ? undefined : check(given[name], name);
  return {
    getEnv: optional('getEnv', aFunction) as ResolvedAccessOptions<TEnv>['getEnv'],
    validateRequest: optional('validateRequest', aFunction) as ResolvedAccessOptions<TEnv>['validateRequest'],
    allowAnonymous: allowAnonymous(given),
    trustProxy: optional('trustProxy', proxyCount) ?? 0,
    cors: optional('cors', corsOptions),
    streamTokens: optional('streamTokens', streamTokenOptions),
    rateLimits: given.rateLimits === undefined ? DEFAULT_RATE_LIMITS : rateLimitOptions(given.rateLimits),
  };
}

function allowAnonymous(given: Readonly<Record<string, unknown>>): boolean {
  if (given.allowAnonymous === undefined) return false;
  const allowed = aBoolean(given.allowAnonymous, 'allowAnonymous');
  if (allowed && given.validateRequest !== undefined) {
    throw new StreamKitError(
      'bad_option',
      'Expected no allowAnonymous beside validateRequest, which decides',
    );
  }
  return allowed;
}

/** The role that `validateRequest` gave. @throws StreamKitError `bad_option`. */
export function callerRole(value: unknown, name: string): CallerRole {
  return oneOf(...CALLER_ROLES)(value, name);
}

/** @throws StreamKitError `bad_option`. */
export function callerLimits(value: unknown, name: string): CallerLimits {
  const given = anObject(value, name);
  // A misspelt limit must not pass for none.
  refuseUnknownNames(given, Object.keys(CALLER_LIMIT_BOUNDS), name);
  for (const [key, [least, most]] of Object.entries(CALLER_LIMIT_BOUNDS)) {
    if (given[key] !== undefined) integerBetween(least, most)(given[key], `${name}.${key}`);
  }
  return Object.freeze({ ...given });
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

function corsOptions(value: unknown, name: string): ResolvedCorsOptions {
  const given = anObject(value, name);
  refuseUnknownNames(given, ['origins', 'credentials', 'maxAgeSeconds'], name);
  const origins = corsOrigins(given.origins, `${name}.origins`);
  const credentials =
    given.credentials === undefined ? false : aBoolean(given.credentials, `${name}.credentials`);
  if (credentials && origins === '*') {
    throw new StreamKitError(
      'bad_option',
      `Expected no ${name}.credentials with ${name}.origins '*' because every site could then act for a user`,
    );
  }
  const maxAgeSeconds =
    given.maxAgeSeconds === undefined
      ? 600
      : integerBetween(0, 86_400)(given.maxAgeSeconds, `${name}.maxAgeSeconds`);
  return Object.freeze({ origins, credentials, maxAgeSeconds });
}

function corsOrigins(value: unknown, name: string): CorsOptions['origins'] {
  if (value === '*') return value;
  if (typeof value === 'function') return value as (origin: string) => boolean | Promise<boolean>;
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

function streamTokenOptions(value: unknown, name: string): ResolvedStreamTokenOptions {
  const given = anObject(value, name);
  refuseUnknownNames(given, ['secret', 'secrets', 'lifetimeSeconds'], name);
  const { secret, secrets, lifetimeSeconds } = given;
  if ((secret === undefined) === (secrets === undefined)) {
    throw new StreamKitError('bad_option', `Expected one of ${name}.secret and ${name}.secrets`);
  }
  const named = secrets === undefined ? 'secret' : 'secrets';
  const list: unknown = secrets ?? [secret];
  if (!Array.isArray(list) || list.length < 1 || list.length > MAX_SECRETS) {
    // Not shown: it may be the secret itself.
    throw new StreamKitError(
      'bad_option',
      `Expected array of 1 to ${MAX_SECRETS} secrets for ${name}.${named}`,
    );
  }
  const lifetime = integerBetween(1, MAX_TOKEN_LIFETIME_SECONDS);
  return Object.freeze({
    keys: Object.freeze(list.map((one: unknown) => secretKey(one, `${name}.${named}`))),
    lifetimeSeconds:
      lifetimeSeconds === undefined ? 300 : lifetime(lifetimeSeconds, `${name}.lifetimeSeconds`),
  });
}

/** The bytes are copied, and what was received must not reach a log. */
function secretKey(value: unknown, name: string): KeyObject {
  const bytes =
    typeof value === 'string' || value instanceof Uint8Array ? Buffer.from(value as Uint8Array) : undefined;
  if (bytes === undefined || bytes.byteLength < MIN_SECRET_BYTES) {
    const received = bytes === undefined ? `type ${typeof value}` : `${bytes.byteLength} bytes`;
    const expected = `string or Uint8Array of at least ${MIN_SECRET_BYTES} bytes`;
    throw new StreamKitError('bad_option', `Expected ${expected} for ${name} but received ${received}`);
  }
  return createSecretKey(bytes);
}

function rateLimitOptions(value: unknown): ResolvedRateLimitOptions | undefined {
  if (value === false) return undefined;
  if (!isPlainObject(value)) throw badOption('object or false', 'rateLimits', value);
  refuseUnknownNames(value, Object.keys(DEFAULT_RATE_LIMITS), 'rateLimits');
  const rate = (key: keyof RateLimitOptions): number =>
    value[key] === undefined
      ? DEFAULT_RATE_LIMITS[key]
      : integerBetween(1, 100_000)(value[key], `rateLimits.${key}`);
  return Object.freeze({
    sessionsPerMinute: rate('sessionsPerMinute'),
    signalsPerSecond: rate('signalsPerSecond'),
    joinsPerMinute: rate('joinsPerMinute'),
    snapshotsPerMinute: rate('snapshotsPerMinute'),
    openRequests: rate('openRequests'),
  });
}
