import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import { restricts, targetPolicyOptions } from '../../../src/options/target-policy-options.js';
import { permitsUrl } from '../../../src/egress/target-policy.js';

const permits = (options: object, url: string): boolean =>
  permitsUrl(targetPolicyOptions(options, 'targetPolicy'), new URL(url));

function refusal(options: object): string {
  try {
    targetPolicyOptions(options, 'targetPolicy');
  } catch (error) {
    if (error instanceof StreamKitError) return error.message;
    throw error;
  }
  throw new Error('The options were accepted');
}

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

describe('a target policy', () => {
  it('lets the public internet through, and no other address in any form', () => {
    for (const url of ['https://example.org/a', 'http://8.8.8.8/', 'https://[2606:4700::1111]/']) {
      expect(permits({}, url), url).toBe(true);
    }
    for (const host of [
      ...[
        '127.0.0.1',
        '2130706433',
        '0x7f.1',
        '0177.0.0.1',
        '127.1',
        '169.254.169.254',
        '[::1]',
        '[::ffff:7f00:1]',
      ],
      ...[
        '[::ffff:127.0.0.1]',
        '[64:ff9b::127.0.0.1]',
        'localhost',
        'LOCALHOST.',
        'a.localhost',
        '10.0.0.1',
        '0',
      ],
    ]) {
      expect(permits({}, `http://${host}/`), host).toBe(false);
      expect(permits({ allowPrivateAddresses: true }, `http://${host}/`), host).toBe(true);
    }
  });

  it("lets no address of this machine's own through, public or not, in any form", () => {
    const common = { netmask: '', mac: '', internal: false, cidr: null };
    vi.spyOn(os, 'networkInterfaces').mockReturnValue({
      eth0: [
        { ...common, address: '8.8.8.8', family: 'IPv4' },
        { ...common, address: '2606:4700::1', family: 'IPv6', scopeid: 0 },
      ],
    });
    syncBuiltinESMExports();
    for (const host of ['8.8.8.8', '0x08080808', '[2606:4700::1]', '[2606:4700:0:0:0::1]']) {
      expect(permits({}, `http://${host}/`), host).toBe(false);
      expect(permits({ allowPrivateAddresses: () => true }, `http://${host}/`), host).toBe(true);
    }
    for (const host of ['8.8.8.9', '[2606:4700::2]']) expect(permits({}, `http://${host}/`), host).toBe(true);
  });

  it('asks a function about each address that is not public', () => {
    const asked: [string, number][] = [];
    const allowPrivateAddresses = (address: string, port: number): boolean => {
      asked.push([address, port]);
      return port === 3001;
    };
    expect(permits({ allowPrivateAddresses }, 'http://127.1:3001/')).toBe(true);
    expect(permits({ allowPrivateAddresses }, 'https://[::1]/')).toBe(false);
    expect(permits({ allowPrivateAddresses }, 'https://8.8.8.8/')).toBe(true);
    expect(asked).toEqual([
      ['127.0.0.1', 3001],
      ['::1', 443],
    ]);
  });

  it('knows hosts by their name, and those below it by a star', () => {
    const lists = { allowHosts: ['Example.org', '*.example.org'], denyHosts: ['secret.example.org'] };
    for (const host of ['example.org', 'EXAMPLE.ORG.', 'www.example.org', 'a.b.example.org']) {
      expect(permits(lists, `https://${host}/`), host).toBe(true);
    }
    for (const host of [
      'badexample.org',
      'example.org.evil.net',
      'secret.example.org',
      'secret.example.org.',
      'secret.example.org..',
    ]) {
      expect(permits(lists, `https://${host}/`), host).toBe(false);
    }
  });

  it('knows schemes', () => {
    expect(permits({ schemes: ['https'] }, 'http://example.org/')).toBe(false);
    expect(permits({ schemes: ['https'] }, 'https://example.org/')).toBe(true);
  });

  it('restricts nothing only where all is allowed', () => {
    const restricting = (options: object): boolean => restricts(targetPolicyOptions(options, 'targetPolicy'));
    expect(restricting({ allowPrivateAddresses: true })).toBe(false);
    expect(restricting({ allowPrivateAddresses: true, denyHosts: ['a.org'] })).toBe(true);
    expect(restricting({ allowPrivateAddresses: () => true })).toBe(true);
    expect(restricting({})).toBe(true);
  });

  it('is refused where it is wrong', () => {
    const expected =
      'Expected host such as example.com or *.example.com for targetPolicy.denyHosts[0] but received';
    for (const pattern of [
      '',
      '*',
      '*.',
      'a.*.org',
      'http://a.org',
      'a.org/b',
      'a.org:80',
      'a.org:8080',
      '*.a.org:8080',
      '[::1]:8080',
      'a.org.',
      '*.1.1.1.1',
      '127.1',
      'ä.org',
      7,
    ]) {
      expect(refusal({ denyHosts: [pattern] }), String(pattern)).toContain(expected);
    }
    expect(refusal({ schemes: ['ftp'] })).toContain('targetPolicy.schemes[0]');
    expect(refusal({ allowPrivateAddresses: 1 })).toContain(
      'Expected boolean for targetPolicy.allowPrivateAddresses',
    );
    expect(refusal({ allowLocal: true })).toBe('Unknown option "allowLocal" in targetPolicy');
  });
});
