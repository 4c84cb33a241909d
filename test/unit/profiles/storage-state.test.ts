import { describe, expect, it } from 'vitest';

import { parseStorageState, storageStateOf } from '../../../src/profiles/storage-state.js';

const cookie = {
  ...{ name: 'sid', value: 'secret-value', domain: '.example.org', path: '/', expires: 1.9e9 },
  ...{ httpOnly: true, secure: true, sameSite: 'None' },
};
const origin = { origin: 'https://example.org', localStorage: [{ name: 'a', value: 'b' }] };

describe('a storage state', () => {
  it('is the same after it was stored', () => {
    const state = { cookies: [cookie, { ...cookie, domain: 'example.org', expires: -1 }], origins: [origin] };
    expect(storageStateOf(parseStorageState(state))).toEqual(state);
  });

  it('loses what has no place in it', () => {
    const parsed = parseStorageState({
      cookies: [{ ...cookie, x: 1 }],
      origins: [{ ...origin, indexedDB: [] }],
    });
    expect(storageStateOf(parsed)).toEqual({ cookies: [cookie], origins: [origin] });
    const partitionKey = { topLevelSite: 'https://a.example', hasCrossSiteAncestor: true };
    const [stored] = parsed.cookies;
    if (stored === undefined) throw new Error('The cookie is lost');
    expect(storageStateOf({ ...parsed, cookies: [{ ...stored, partitionKey }] }).cookies).toEqual([]);
  });

  it.each([
    [null, 'storageState'],
    [{ cookies: {} }, 'cookies'],
    [{ cookies: [7] }, 'cookies[0]'],
    [{ cookies: Array.from({ length: 5001 }, () => cookie) }, 'cookies'],
    [{ cookies: [{ ...cookie, domain: 'a/b' }] }, 'cookies[0].domain'],
    [{ cookies: [{ ...cookie, domain: 'user@example.org' }] }, 'cookies[0].domain'],
    [{ cookies: [{ ...cookie, path: 'x' }] }, 'cookies[0].path'],
    [{ cookies: [{ ...cookie, value: 7 }] }, 'cookies[0].value'],
    [{ cookies: [{ ...cookie, expires: 'soon' }] }, 'cookies[0].expires'],
    [{ cookies: [{ ...cookie, sameSite: 'toString' }] }, 'cookies[0].sameSite'],
    [{ cookies: [{ ...cookie, secure: 1 }] }, 'cookies[0].secure'],
    [{ origins: [{ ...origin, origin: 'file:///etc/passwd' }] }, 'origins[0].origin'],
    [{ origins: [{ ...origin, origin: 'https://example.org/path' }] }, 'origins[0].origin'],
    [{ origins: [{ ...origin, localStorage: [{ name: 'a' }] }] }, 'origins[0].localStorage[0].value'],
  ])('%j is refused, and the place is named', (state, place) => {
    const parse = (): unknown => parseStorageState(state);
    expect(parse).toThrow(expect.objectContaining({ code: 'bad_request' }));
    expect(parse).toThrow(place);
    expect(parse).not.toThrow('secret-value');
  });
});
