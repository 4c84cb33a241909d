import { StreamKitError } from '../base/errors.js';
import { expectation, isPlainObject } from '../options/option-checks.js';
import type { StorageState } from '../protocol/storage-state.js';
import { EMPTY_STATE, type ProfileState, type StoredCookie, type StoredOrigin } from './profile-state.js';

const MAX_COOKIES = 5000;
const MAX_ORIGINS = 100;
const SAME_SITE = ['Strict', 'Lax', 'None'] as const;
/** Of a host, with a dot before it or without; an IPv6 address has brackets. */
const DOMAIN = /^\.?(?:[\w-]+(?:\.[\w-]+)*|\[[\da-f:.]+\])$/i;

/** What Playwright can read. Cookies that a third party has within another site are none of its format, and left out. */
export function storageStateOf({ cookies, origins }: ProfileState): StorageState {
  return {
    cookies: cookies
      .filter(({ partitionKey }) => partitionKey === undefined)
      .map(({ name, value, domain, path, expires, httpOnly, secure, sameSite = 'Lax' }) => ({
        ...{ name, value, domain, path, expires, httpOnly, secure, sameSite },
      })),
    origins,
  };
}

/**
 * Checks what a client hands in. Whatever else stands in it, such as `indexedDB`, is ignored.
 *
 * @throws StreamKitError `bad_request` that names the place.
 */
export function parseStorageState(value: unknown): ProfileState {
  const { cookies = [], origins = [] } = object(value, 'storageState');
  return {
    ...EMPTY_STATE,
    cookies: list(cookies, 'cookies', MAX_COOKIES).map((one, index) => cookie(one, `cookies[${index}]`)),
    origins: list(origins, 'origins', MAX_ORIGINS).map((one, index) => origin(one, `origins[${index}]`)),
    imported: true,
  };
}

function cookie(value: unknown, name: string): StoredCookie {
  const given = object(value, name);
  const domain = text(given.domain, `${name}.domain`);
  const path = text(given.path, `${name}.path`);
  // The value of a cookie is a secret: it is not shown.
  if (!DOMAIN.test(domain) || domain.length > 255) throw bad('name of a host', `${name}.domain`, domain);
  if (!path.startsWith('/')) throw bad('path that begins with a slash', `${name}.path`, path);
  const { expires = -1, httpOnly = false, secure = false, sameSite } = given;
  if (typeof expires !== 'number') throw bad('number', `${name}.expires`, expires);
  const found = SAME_SITE.find((known) => known === sameSite);
  if (sameSite !== undefined && found === undefined)
    throw bad(`one of ${SAME_SITE.join(', ')}`, `${name}.sameSite`, sameSite);
  return {
    ...{ name: text(given.name, `${name}.name`), value: secretText(given.value, `${name}.value`) },
    ...{ domain, path, expires, session: expires < 0 },
    ...{ httpOnly: flag(httpOnly, `${name}.httpOnly`), secure: flag(secure, `${name}.secure`) },
    ...(found === undefined ? {} : { sameSite: found }),
    ...{ priority: 'Medium', sourceScheme: 'Unset', sourcePort: -1 },
  };
}

function origin(value: unknown, name: string): StoredOrigin {
  const given = object(value, name);
  const own = text(given.origin, `${name}.origin`);
  if (!/^https?:/.test(own) || !URL.canParse(own) || new URL(own).origin !== own)
    throw bad('origin such as https://example.org', `${name}.origin`, own);
  const items = list(given.localStorage ?? [], `${name}.localStorage`, Infinity);
  return {
    origin: own,
    localStorage: items.map((item, index) => {
      const place = `${name}.localStorage[${index}]`;
      const { name: key, value: content } = object(item, place);
      return { name: text(key, `${place}.name`), value: secretText(content, `${place}.value`) };
    }),
  };
}

function object(value: unknown, name: string): Record<string, unknown> {
  if (!isPlainObject(value)) throw bad('object', name, value);
  return value;
}

function list(value: unknown, name: string, most: number): readonly unknown[] {
  if (!Array.isArray(value)) throw bad('array', name, value);
  if (value.length > most) throw bad(`array of at most ${most}`, name, value);
  return value;
}

function text(value: unknown, name: string): string {
  if (typeof value !== 'string') throw bad('string', name, value);
  return value;
}

function secretText(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new StreamKitError('bad_request', `Expected string for ${name}`);
  return value;
}

function flag(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw bad('boolean', name, value);
  return value;
}

function bad(expected: string, name: string, value: unknown): StreamKitError {
  return new StreamKitError('bad_request', expectation(expected, name, value));
}
