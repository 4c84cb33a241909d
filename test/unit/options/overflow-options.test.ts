import { describe, expect, it } from 'vitest';

import { resolveOptions } from '../../../src/options/stream-kit-options.js';

const play = (): never => {
  throw new Error('Nobody asks');
};
const good = { when: { viewers: 2 }, publish: 'https://sfu.example.org/whip', play };

describe('the option overflow', () => {
  it('is off by default', () => {
    expect(resolveOptions({}).overflow).toBeUndefined();
  });

  it('takes a URL or a function, and one bound at least', () => {
    expect(resolveOptions({ overflow: good }).overflow).toEqual({
      ...good,
      when: { viewers: 2, egressBps: undefined },
      maxViewers: 1000,
    });
    const publish = (): string => good.publish;
    const when = { egressBps: 100_000_000 };
    expect(resolveOptions({ overflow: { ...good, when, publish } }).overflow).toMatchObject({
      when,
      publish,
    });
  });

  it.each([
    [{ ...good, when: {} }, /Expected viewers or egressBps for overflow\.when/],
    [{ ...good, when: { viewers: 0 } }, /overflow\.when\.viewers/],
    [{ ...good, when: { clients: 1 } }, /clients/],
    [
      { ...good, publish: 'ftp://sfu.example.org/secret' },
      /^Expected function or http or https URL of at most 2048 characters without credentials for overflow\.publish$/,
    ],
    [
      { ...good, publish: 'https://user:secret@sfu.example.org/' },
      /without credentials for overflow\.publish$/,
    ],
    [{ ...good, play: 'https://sfu.example.org/whep' }, /overflow\.play/],
    [{ publish: good.publish, play }, /overflow\.when/],
  ])('refuses %j', (overflow, message) => {
    const attempt = (): unknown => resolveOptions({ overflow } as never);
    expect(attempt).toThrow(
      expect.objectContaining({ code: 'bad_option', message: expect.stringMatching(message) }),
    );
    expect(attempt).not.toThrow(/secret/);
  });

  it('takes an endpoint of 2048 characters, and no longer one', () => {
    const longest = good.publish.padEnd(2048, 'x');
    expect(resolveOptions({ overflow: { ...good, publish: longest } }).overflow?.publish).toBe(longest);
    expect(() => resolveOptions({ overflow: { ...good, publish: `${longest}x` } })).toThrow(
      /at most 2048 characters without credentials for overflow\.publish$/,
    );
  });

  it('needs publications', () => {
    expect(() => resolveOptions({ overflow: good, publications: false })).toThrow(
      /publications beside overflow/,
    );
  });
});
