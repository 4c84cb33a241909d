import { StreamKitError } from '../base/errors.js';
import {
  aBoolean,
  anObject,
  badOption,
  integerBetween,
  listOf,
  oneOf,
  type OptionCheck,
} from './option-checks.js';
import { defined, option, type OptionsOf, required, statedOptions, tableCheck } from './option-definition.js';

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

const COOKIE = {
  name: required<string>(cookieText),
  value: required<string>(cookieText),
  /** Default: that of the target. */
  domain: option<string>(cookieText),
  path: option<string>(cookieText),
  secure: option<boolean>(aBoolean),
  httpOnly: option<boolean>(aBoolean),
  sameSite: option<'Strict' | 'Lax' | 'None'>(oneOf('Strict', 'Lax', 'None')),
};

/** A cookie that the target has before it is loaded. */
export interface PageCookie extends Readonly<OptionsOf<typeof COOKIE>> {}

const GEOLOCATION = {
  latitude: required<number>(numberBetween(-90, 90)),
  longitude: required<number>(numberBetween(-180, 180)),
  accuracy: option<number>(numberBetween(0, 1e6)),
};

const CREDENTIALS = {
  username: required<string>(userName),
  password: required<string>(password),
};

const PAGE = {
  /** Language of the page, as BCP 47 has it, such as `de-DE`. Default: that of the browser. */
  locale: option<string>(locale),
  /** IANA name of its time zone, such as `Europe/Berlin`. Default: that of the machine. */
  timezone: option<string>(timezone),
  /** What `prefers-color-scheme` is. Default: that of the browser, which is light. */
  colorScheme: option<'light' | 'dark'>(oneOf('light', 'dark')),
  /** Whether `prefers-reduced-motion` is `reduce`. Default false. */
  reducedMotion: option<boolean>(aBoolean),
  /** Default: that of the browser, without the word Headless. */
  userAgent: option<string>(headerValue),
  /** Where the page is, and with `permissions: ['geolocation']` may know that it is. Default: unknown. */
  geolocation: option<{ readonly latitude: number; readonly longitude: number; readonly accuracy?: number }>(
    geolocation,
  ),
  /** What the target's origin is granted. Default none. */
  permissions: option<readonly PagePermission[]>(listOf(oneOf(...PERMISSIONS))),
  /** Added to every request to the target's origin, and to no other. Default none. */
  headers: option<Readonly<Record<string, string>>>(headers),
  /** Cookies that are set before the target is loaded. Default none. */
  cookies: option<readonly PageCookie[]>(listOf(cookie)),
  /** Hosts whose TLS certificates are not checked. Default none. */
  ignoreCertificateErrors: option<readonly string[]>(listOf(hostName)),
  /** For HTTP authentication of the target's origin. Default none. */
  httpCredentials: option<{ readonly username: string; readonly password: string }>(tableCheck(CREDENTIALS)),
  /**
   * An HTTP proxy through which all goes that a page loads, such as `http://user:password@proxy.example:3128`. `targetPolicy` holds
   * all the same: the proxy is told the address that was checked, or the name where all addresses are permitted. It must take
   * CONNECT to every port that pages use. Default none.
   */
  upstreamProxy: option<string>(upstreamProxy),
  /** Whether the session is for touch: `(hover: none)` and `(pointer: coarse)`. Default false. */
  touch: option<boolean>(aBoolean),
  /** Whether lists are drawn in the page, for players that draw nothing, such as those of WHEP. Default false. */
  drawSelects: option<boolean>(aBoolean),
  /** Origins besides the target's whose documents have `window.streamKit`. Default none. */
  bridgeOrigins: option<readonly string[]>(listOf(origin)),
  /**
   * What becomes of a tab that the page opens after a press: `tabs`: it is shown, and the controller may switch between them;
   * `same`: its page is loaded in place of the one that is shown; `block`: it is closed, and the viewer is told, as one is
   * that nobody has pressed anything for. Default `tabs`.
   */
  newTabs: option<'tabs' | 'same' | 'block'>(oneOf('tabs', 'same', 'block'), 'tabs'),
  /** How many tabs there may be at once, the first among them, 1–32; each is a renderer with its memory. Default 8. */
  maxTabs: option<number>(integerBetween(1, 32), 8),
};

/** The world that a page finds itself in: what in a person's own browser are settings. */
export interface PageOptions extends OptionsOf<typeof PAGE> {}

/** {@link PageOptions}, checked and frozen: JSON, for it goes to the session's process. */
export type ResolvedPageOptions = Readonly<PageOptions>;

const checkPage = tableCheck(PAGE);

const { newTabs, maxTabs } = checkPage({}, 'page');
export const DEFAULT_TAB_OPTIONS = { newTabs, maxTabs } as const;

/** @throws StreamKitError `bad_option`. */
export function pageOptions(value: unknown, name: string): ResolvedPageOptions {
  return defined(checkPage(value, name));
}

/** What a client may choose of its own session: what it sees, and nothing that it may not have. */
export type ClientPageOptions = Pick<PageOptions, (typeof CLIENT_NAMES)[number]>;

/** The keys of {@link ClientPageOptions}. */
export const CLIENT_NAMES = [
  'locale',
  'timezone',
  'colorScheme',
  'reducedMotion',
  'touch',
  'upstreamProxy',
] as const;

/** Takes what a client may choose out of `renderOptions`. @throws StreamKitError `bad_request` that names the key. */
export function clientPageOptions(given: Readonly<Record<string, unknown>>): ClientPageOptions {
  const chosen = CLIENT_NAMES.filter((key) => given[key] !== undefined).map(
    (key) => [key, given[key]] as const,
  );
  try {
    return statedOptions(PAGE, Object.fromEntries(chosen), 'renderOptions');
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

const checkGeolocation = tableCheck(GEOLOCATION);

function geolocation(value: unknown, name: string): Readonly<OptionsOf<typeof GEOLOCATION>> {
  const { latitude, longitude, ...rest } = checkGeolocation(value, name);
  return Object.freeze({ latitude, longitude, ...defined(rest) });
}

function numberBetween(least: number, most: number): OptionCheck<number> {
  return (value, name) => {
    if (typeof value !== 'number' || !(value >= least && value <= most)) {
      throw badOption(`number between ${least} and ${most}`, name, value);
    }
    return value;
  };
}

const checkCookie = tableCheck(COOKIE);

function cookie(value: unknown, where: string): PageCookie {
  const { name, value: text, ...rest } = checkCookie(value, where);
  return Object.freeze({ name, value: text, ...defined(rest) });
}

function cookieText(value: unknown, name: string): string {
  if (typeof value !== 'string' || value.length > 4096) throw badOption('string', name, value);
  return value;
}

function hostName(value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^[\w.[\]:-]{1,253}$/.test(value)) throw badOption('host', name, value);
  return value.toLowerCase();
}

function userName(value: unknown, name: string): string {
  if (typeof value !== 'string') throw badOption('string', name, value);
  return value;
}

/** Never named in an error: it is a secret. */
function password(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new StreamKitError('bad_option', `Expected string for ${name}`);
  return value;
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
