import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';

import { describe, expect, it } from 'vitest';

import { resolveOptions } from '../../../src/options/stream-kit-options.js';
import { turnRestCredentials } from '../../../src/options/turn-rest.js';

describe('turnRestCredentials', () => {
  it('are the end, the user, and what only the secret makes of them', () => {
    const beforeSeconds = Date.now() / 1000;
    const { username, credential } = turnRestCredentials({
      secret: 'north',
      user: 'ann',
      lifetimeSeconds: 600,
    });
    const afterSeconds = Date.now() / 1000;
    const [, end = '', user] = /^(\d+):(.+)$/.exec(username) ?? [];
    expect(user).toBe('ann');
    expect(Number(end)).toBeGreaterThan(beforeSeconds + 599);
    expect(Number(end)).toBeLessThan(afterSeconds + 601);
    expect(credential).toBe(createHmac('sha1', 'north').update(username).digest('base64'));
  });

  it('have a user of their own where none is named, and a day', () => {
    const [first, second] = [
      turnRestCredentials({ secret: 'north' }),
      turnRestCredentials({ secret: 'north' }),
    ];
    expect(first.username.split(':')[1]).not.toBe(second.username.split(':')[1]);
    expect(Number(first.username.split(':')[0]) - Date.now() / 1000).toBeGreaterThan(86_390);
  });

  it.each([
    { secret: '' },
    { secret: 'n', user: '' },
    { secret: 'n', user: 'a\r\n' },
    { secret: 'n', lifetimeSeconds: 1 },
  ])('are not made of %j', (parameters) => {
    expect(() => turnRestCredentials(parameters)).toThrow(expect.objectContaining({ code: 'bad_option' }));
  });

  it('keep the secret out of whatever is printed of the options', () => {
    const iceServers = [{ urls: 'turn:a', turnRest: { secret: 'north-by-northwest' } }];
    const options = resolveOptions({ iceServers });
    expect(inspect(options, { depth: 9 }) + JSON.stringify(options)).not.toContain('north');
  });
});
