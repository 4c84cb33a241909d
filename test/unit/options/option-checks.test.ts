import { describe, expect, it } from 'vitest';

import { isEndpoint, isToken } from '../../../src/options/option-checks.js';

const WEB = /^https?:$/;

describe('an endpoint', () => {
  it.each(['http://sfu.example.org', 'https://sfu.example.org/whip?key=1#one'])('may be %s', (url) => {
    expect(isEndpoint(url, WEB)).toBe(true);
  });

  it.each([
    undefined,
    new URL('https://sfu.example.org'),
    '',
    '/whip',
    'wss://sfu.example.org',
    'https://user@sfu.example.org',
    'https://:password@sfu.example.org',
  ])('may not be %s', (url) => {
    expect(isEndpoint(url, WEB)).toBe(false);
  });

  it('has at most 2048 characters', () => {
    const longest = 'https://sfu.example.org/'.padEnd(2048, 'x');
    expect(isEndpoint(longest, WEB)).toBe(true);
    expect(isEndpoint(`${longest}x`, WEB)).toBe(false);
  });
});

describe('a token', () => {
  it.each(['!', '~', 'eyJhbGciOi.J9-_'])('may be %s', (token) => {
    expect(isToken(token)).toBe(true);
  });

  it.each([undefined, 7, '', 'a b', 'a\n', 'a\r\nHost: b', '\x7f', 'ä'])('may not be %s', (token) => {
    expect(isToken(token)).toBe(false);
  });

  it('has at most 8192 characters', () => {
    expect(isToken('x'.repeat(8192))).toBe(true);
    expect(isToken('x'.repeat(8193))).toBe(false);
  });
});
