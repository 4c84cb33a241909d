import { describe, expect, it } from 'vitest';

import { clientPageOptions, pageOptions } from '../../../src/options/page-options.js';

describe('the option page', () => {
  it('shows new tabs by default, and keeps what is given', () => {
    expect(pageOptions({}, 'page')).toEqual({ newTabs: 'tabs', maxTabs: 8 });
    const given = {
      ...{
        locale: 'de-de',
        timezone: 'Europe/Berlin',
        colorScheme: 'dark',
        reducedMotion: true,
        touch: true,
      },
      ...{
        headers: { 'X-A': 'b' },
        permissions: ['geolocation'],
        newTabs: 'block',
        maxTabs: 2,
        drawSelects: true,
      },
      ...{ cookies: [{ name: 'a', value: 'b', sameSite: 'Lax' }], bridgeOrigins: ['https://a.example'] },
      ...{ ignoreCertificateErrors: ['A.example'], httpCredentials: { username: 'u', password: 'p' } },
      ...{ geolocation: { latitude: 1, longitude: 2 }, userAgent: 'Agent/1' },
    };
    expect(pageOptions(given, 'page')).toEqual({
      ...given,
      locale: 'de-DE',
      ignoreCertificateErrors: ['a.example'],
    });
  });

  it.each([
    [{ locale: 'no locale' }, 'page.locale'],
    [{ timezone: 'Mars/Olympus' }, 'page.timezone'],
    [{ headers: { 'a b': 'c' } }, 'page.headers'],
    [{ headers: { a: 'b\r\nc: d' } }, 'page.headers.a'],
    [{ permissions: ['all'] }, 'page.permissions[0]'],
    [{ geolocation: { latitude: 91, longitude: 0 } }, 'page.geolocation.latitude'],
    [{ bridgeOrigins: ['https://a.example/path'] }, 'page.bridgeOrigins[0]'],
    [{ upstreamProxy: 'socks5://a.example' }, 'page.upstreamProxy'],
    [{ upstreamProxy: 'http://a.example/path' }, 'page.upstreamProxy'],
    [{ upstreamProxy: 'http://user:%ff@a.example' }, 'page.upstreamProxy'],
    [{ newTabs: 'many' }, 'page.newTabs'],
    [{ maxTabs: 0 }, 'page.maxTabs'],
    [{ unknown: 1 }, 'unknown'],
  ])('is refused where it is wrong: %o', (given, named) => {
    expect(() => pageOptions(given, 'page')).toThrow(named);
  });

  it('does not name a password that is wrong', () => {
    const given = { httpCredentials: { username: 'u', password: 12_345 } };
    expect(() => pageOptions(given, 'page')).toThrow(/password$/);
  });
});

it('a client chooses what it sees, and nothing that it may not have', () => {
  expect(clientPageOptions({ locale: 'fr', headers: { a: 'b' }, userAgent: 'x' })).toEqual({ locale: 'fr' });
  expect(() => clientPageOptions({ timezone: 1 })).toThrow('renderOptions.timezone');
});
