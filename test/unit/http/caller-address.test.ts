import { describe, expect, it } from 'vitest';

import { callerAddress } from '../../../src/http/caller-address.js';

const of = (remoteAddress: string | undefined, forwarded?: string, trustedProxies = 0): string =>
  callerAddress({ remoteAddress, headers: { 'x-forwarded-for': forwarded } }, trustedProxies);

describe('the address of a caller', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:c000:207', '192.0.2.7'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['2001:0DB8:0000:0001:ffff:ffff:ffff:ffff', '2001:db8:0:1::/64'],
    ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4::/64'],
    [undefined, 'unknown'],
    ['', 'unknown'],
    ['/run/app.sock', 'unknown'],
  ])('%s counts as %s', (remoteAddress, address) => {
    expect(of(remoteAddress)).toBe(address);
  });

  it('is that of the connection, whatever a header says that nobody is trusted with', () => {
    expect(of('192.0.2.7', '203.0.113.1')).toBe('192.0.2.7');
  });

  it.each([
    ['203.0.113.1', 1, '203.0.113.1'],
    ['10.9.9.9, 203.0.113.1', 1, '203.0.113.1'],
    ['10.9.9.9, 203.0.113.1,198.51.100.1', 2, '203.0.113.1'],
    ['203.0.113.1:4711', 1, '203.0.113.1'],
    ['[2001:db8:0:1::1]:4711', 1, '2001:db8:0:1::/64'],
    ['2001:db8:0:1::1', 1, '2001:db8:0:1::/64'],
  ])('is what the outermost proxy has added: of %j with %i proxies %s', (forwarded, proxies, address) => {
    expect(of('10.0.0.1', forwarded, proxies)).toBe(address);
  });

  it.each([
    [undefined, 1],
    ['', 1],
    ['unknown', 1],
    ['203.0.113.1, ', 1],
    ['203.0.113.999', 1],
    ['203.0.113.1', 2],
    ['[::1', 1],
  ])('is that of the connection where the proxies have not said it: %j with %i', (forwarded, proxies) => {
    expect(of('10.0.0.1', forwarded, proxies)).toBe('10.0.0.1');
  });
});
