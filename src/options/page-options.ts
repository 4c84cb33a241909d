import { StreamKitError } from '../base/errors.js';
import {
  aBoolean,
  anObject,
  badOption,
  integerBetween,
  listOf,
  oneOf,
  type OptionCheck,
  refuseUnknownNames,
} from './option-checks.js';

/** Permissions of the Permissions API that a page may be granted, as the DevTools protocol names them. */
const PERMISSIONS = [
  'geolocation',
  'notifications',
  'midi',
  'clipboardReadWrite',
  'clipboardSanitizedWrite',
  'sensors',
  'storageAccess',
  'localFonts',
  'idleDetection',
] as const;

export type PagePermission = (typeof PERMISSIONS)[number];

/** A cookie that the target has before it is loaded. */
export interface PageCookie {
  readonly name: string;
  readonly value: string;
  /** Default: that of the target. */
  readonly domain?: string;
  readonly path?: string;
  readonly secure?: boolean;
  readonly httpOnly?: boolean;
  readonly sameSite?: 'Strict' | 'Lax' | 'None';
}

/** The world that a page finds itself in: what in a person's own browser are settings. */
export interface PageOptions {
  /** Language of the page, as BCP 47 has it, such as `de-DE`. Default: that of the browser. */
  locale?: string;
  /** IANA name of its time zone, such as `Europe/Berlin`. Default: that of the machine. */
  timezone?: string;
  /** What `prefers-color-scheme` is. Default: that of the browser, which is light. */
  colorScheme?: 'light' | 'dark';
  /** Whether `prefers-reduced-motion` is `reduce`. Default false. */
  reducedMotion?: boolean;
  /** Default: that of the browser, without the word Headless. */
  userAgent?: string;
  /** Where the page is, and with `permissions: ['geolocation']` may know that it is. Default: unknown. */
  geolocation?: { readonly latitude: number; readonly longitude: number; readonly accuracy?: number };
  /** What the target's origin is granted. Default none. */
  permissions?: readonly PagePermission[];
  /** Added to every request to the target's origin, and to no other. Default none. */
  headers?: Readonly<Record<string, string>>;
  /** Cookies that are set before the target is loaded. Default none. */
  cookies?: readonly PageCookie[];
  /** Hosts whose TLS certificates are not checked. Default none. */
  ignoreCertificateErrors?: readonly string[];
  /** For HTTP authentication of the target's origin. Default none. */
  httpCredentials?: { readonly username: string; readonly password: string };
  /**
   * An HTTP proxy through which all goes that a page loads, such as `http://user:password@proxy.example:3128`. `targetPolicy` holds
   * all the same: the proxy is told the address that was checked, or the name where all addresses are permitted. It must take
   * CONNECT to every port that pages use. Default none.
   */
  upstreamProxy?: string;
  /** Whether the session is for touch: `(hover: none)` and `(pointer: coarse)`. Default false. */
  touch?: boolean;
  /** Whether lists are drawn in the page, for players that draw nothing, such as those of WHEP. Default false. */
  drawSelects?: boolean;
  /** Origins besides the target's whose documents have `window.streamKit`. Default none. */
  bridgeOrigins?: readonly string[];
  /**
   * What becomes of a tab that the page opens after a press: `tabs`: it is shown, and the controller may switch between them;
   * `same`: its page is loaded in place of the one that is shown; `block`: it is closed, and the viewer is told, as one is
   * that nobody has pressed anything for. Default `tabs`.
   */
  newTabs?: 'tabs' | 'same' | 'block';
  /** How many tabs there may be at once, the first among them, 1–32; each is a renderer with its memory. Default 8. */
  maxTabs?: number;
}

/** {@link PageOptions}, checked and frozen: JSON, for it goes to the session's process. */
export type ResolvedPageOptions = Readonly<PageOptions>;

const NAMES: readonly (keyof PageOptions)[] = [
  'locale',
  'timezone',
  'colorScheme',
  'reducedMotion',
  'userAgent',
  'geolocation',
  'permissions',
  'headers',
  'cookies',
  'ignoreCertificateErrors',
  'httpCredentials',
  'upstreamProxy',
  'touch',
  'drawSelects',
  'bridgeOrigins',
  'newTabs',
  'maxTabs',
];

export const DEFAULT_TAB_OPTIONS = { newTabs: 'tabs', maxTabs: 8 } as const;

/** @throws StreamKitError `bad_option`. */
export function pageOptions(value: unknown, name: string): ResolvedPageOptions {
  return Object.freeze({ ...DEFAULT_TAB_OPTIONS, ...checkedPageOptions(value, name) });
}

function checkedPageOptions(value: unknown, name: string): PageOptions {
  const given = anObject(value ?? {}, name);
  refuseUnknownNames(given, NAMES, name);
  const checks: { [Name in keyof PageOptions]-?: OptionCheck<NonNullable<PageOptions[Name]>> } = {
    locale,
    timezone,
    colorScheme: oneOf('light', 'dark'),
    reducedMotion: aBoolean,
    userAgent: headerValue,
    geolocation,
    permissions: listOf(oneOf(...PERMISSIONS)),
    headers,
    cookies: listOf(cookie),
    ignoreCertificateErrors: listOf(hostName),
    httpCredentials,
    upstreamProxy,
    touch: aBoolean,
    drawSelects: aBoolean,
    bridgeOrigins: listOf(origin),
    newTabs: oneOf('tabs', 'same', 'block'),
    maxTabs: integerBetween(1, 32),
  };
  const resolved = NAMES.filter((key) => given[key] !== undefined).map((key) => [
    key,
    checks[key](given[key], `${name}.${key}`),
  ]);
  return Object.fromEntries(resolved) as PageOptions;
}

/** What a client may choose of its own session: what it sees, and nothing that it may not have. */
export type ClientPageOptions = Pick<PageOptions, (typeof CLIENT_NAMES)[number]>;

const CLIENT_NAMES = [
  'locale',
  'timezone',
  'colorScheme',
  'reducedMotion',
  'touch',
  'upstreamProxy',
] as const;

/** Takes what a client may choose out of `renderOptions`. @throws StreamKitError `bad_request` that names the key. */
export function clientPageOptions(given: Readonly<Record<string, unknown>>): ClientPageOptions {
  const chosen = CLIENT_NAMES.filter((key) => given[key] !== undefined).map((key) => [key, given[key]]);
  try {
    return checkedPageOptions(Object.fromEntries(chosen), 'renderOptions');
  } catch (error) {
    throw new StreamKitError('bad_request', error instanceof Error ? error.message : String(error));
  }
}

function locale(value: unknown, name: string): string {
  try {
    const [canonical] = Intl.getCanonicalLocales(typeof value === 'string' ? value : '');
    if (canonical !== undefined) return canonical;
  } catch {
    // Named below.
  }
  throw badOption('BCP 47 language tag', name, value);
}

function timezone(value: unknown, name: string): string {
  try {
    if (typeof value === 'string') {
      return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone;
    }
  } catch {
    // Named below.
  }
  throw badOption('IANA time zone', name, value);
}

function headerValue(value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^[\x20-\x7e]{1,4096}$/.test(value)) {
    throw badOption('printable ASCII text', name, value);
  }
  return value;
}

function headers(value: unknown, name: string): Readonly<Record<string, string>> {
  const given = anObject(value, name);
  const entries = Object.entries(given).map(([key, entry]): [string, string] => {
    if (!/^[\w!#$%&'*+.^`|~-]{1,128}$/.test(key)) throw badOption('name of a header', name, key);
    return [key, headerValue(entry, `${name}.${key}`)];
  });
  return Object.freeze(Object.fromEntries(entries));
}

function geolocation(value: unknown, name: string): NonNullable<PageOptions['geolocation']> {
  const given = anObject(value, name);
  refuseUnknownNames(given, ['latitude', 'longitude', 'accuracy'], name);
  const number = (key: string, least: number, most: number): number => {
    const entry = given[key];
    if (typeof entry !== 'number' || !(entry >= least && entry <= most)) {
      throw badOption(`number between ${least} and ${most}`, `${name}.${key}`, entry);
    }
    return entry;
  };
  return Object.freeze({
    latitude: number('latitude', -90, 90),
    longitude: number('longitude', -180, 180),
    ...(given.accuracy === undefined ? {} : { accuracy: number('accuracy', 0, 1e6) }),
  });
}

function cookie(value: unknown, name: string): PageCookie {
  const given = anObject(value, name);
  refuseUnknownNames(given, ['name', 'value', 'domain', 'path', 'secure', 'httpOnly', 'sameSite'], name);
  const text = (key: string): string => {
    const entry = given[key];
    if (typeof entry !== 'string' || entry.length > 4096) throw badOption('string', `${name}.${key}`, entry);
    return entry;
  };
  const optional = <T>(key: string, check: OptionCheck<T>): object =>
    given[key] === undefined ? {} : { [key]: check(given[key], `${name}.${key}`) };
  return Object.freeze({
    name: text('name'),
    value: text('value'),
    ...optional('domain', () => text('domain')),
    ...optional('path', () => text('path')),
    ...optional('secure', aBoolean),
    ...optional('httpOnly', aBoolean),
    ...optional('sameSite', oneOf('Strict', 'Lax', 'None')),
  });
}

function hostName(value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^[\w.[\]:-]{1,253}$/.test(value)) throw badOption('host', name, value);
  return value.toLowerCase();
}

function httpCredentials(value: unknown, name: string): NonNullable<PageOptions['httpCredentials']> {
  const given = anObject(value, name);
  refuseUnknownNames(given, ['username', 'password'], name);
  const { username, password } = given;
  if (typeof username !== 'string') throw badOption('string', `${name}.username`, username);
  // Never named in an error: it is a secret.
  if (typeof password !== 'string')
    throw new StreamKitError('bad_option', `Expected string for ${name}.password`);
  return Object.freeze({ username, password });
}

/** Never named in an error: it has a password in it. */
function upstreamProxy(value: unknown, name: string): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  const isProxy =
    url?.protocol === 'http:' &&
    `${url.pathname}${url.search}${url.hash}` === '/' &&
    [url.username, url.password].every((part) => isDecodable(part));
  if (!isProxy || url.href.length > 1024) {
    const message = `Expected URL such as http://user:password@host:3128 for ${name}`;
    throw new StreamKitError('bad_option', message);
  }
  return url.href;
}

function isDecodable(text: string): boolean {
  try {
    return decodeURIComponent(text) !== '\0';
  } catch {
    return false;
  }
}

function origin(value: unknown, name: string): string {
  if (typeof value !== 'string' || !URL.canParse(value) || new URL(value).origin !== value) {
    throw badOption('origin such as https://host', name, value);
  }
  return value;
}
