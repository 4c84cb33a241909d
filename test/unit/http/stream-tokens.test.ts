import { createHmac, createSecretKey } from 'node:crypto';

import { beforeEach, describe, expect, it } from 'vitest';

import type { StreamTokenRequest } from '../../../src/options/stream-token-request.js';
import { StreamTokens } from '../../../src/http/stream-tokens.js';
import { seededRandom } from '../../helpers/seeded-random.js';
import { codeOf } from '../../helpers/session-harness.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

const streamId = '00000000-0000-4000-8000-000000000001';
const key = (text: string) => createSecretKey(Buffer.from(text.repeat(32)));
const [oldKey, newKey, foreignKey] = [key('o'), key('n'), key('f')];

let clock: VirtualClock;
let tokens: StreamTokens;

beforeEach(() => {
  clock = new VirtualClock();
  tokens = new StreamTokens({ keys: [newKey, oldKey], lifetimeSeconds: 300 }, clock);
});

function refusalOf(token: string, by = tokens): string {
  try {
    by.verify(token);
  } catch (error) {
    const { code, status, message, headers } = error as {
      code: string;
      status: number;
      message: string;
      headers: Record<string, string>;
    };
    expect([code, status, headers['WWW-Authenticate']]).toEqual(['unauthorized', 401, 'Bearer']);
    return message;
  }
  throw new Error('The token was accepted');
}

/** Signed as ours are, whatever stands in it. */
function signed(payload: string): string {
  const text = `skt1.${Buffer.from(payload).toString('base64url')}`;
  return `${text}.${createHmac('sha256', newKey).update(text).digest('base64url')}`;
}

describe('a stream token', () => {
  it('says what it was made for', () => {
    const request: StreamTokenRequest = {
      streamId,
      scope: ['snapshot', 'whep', 'snapshot'],
      role: 'controller',
      callerId: 'u1',
      callerContext: { name: 'Ünal' },
    };
    const token = tokens.create(request);
    expect(token).toMatch(/^[\w.-]+$/);
    expect(tokens.verify(token)).toMatchObject({ ...request, scope: ['snapshot', 'whep'] });
  });

  it('is for watching alone by default', () => {
    expect(tokens.verify(tokens.create({ streamId }))).toMatchObject({
      streamId,
      scope: ['sse', 'signal'],
      role: 'viewer',
      callerId: undefined,
      callerContext: undefined,
    });
  });

  it('expires, to the second', async () => {
    const [short, usual] = [tokens.create({ streamId, expiresInSeconds: 2 }), tokens.create({ streamId })];
    await clock.advance(1999);
    tokens.verify(short);
    await clock.advance(1);
    expect(refusalOf(short)).toBe('The stream token has expired');
    await clock.advance(297_999);
    tokens.verify(usual);
    await clock.advance(1);
    expect(refusalOf(usual)).toBe('The stream token has expired');
  });

  it('is signed with the first secret and holds while its secret is among them', () => {
    const make = (...keys: (typeof newKey)[]) => new StreamTokens({ keys, lifetimeSeconds: 300 }, clock);
    const old = make(oldKey).create({ streamId });
    tokens.verify(old);
    const fresh = tokens.create({ streamId });
    make(newKey).verify(fresh);
    expect(refusalOf(old, make(newKey))).toBe('The stream token is not valid');
    expect(refusalOf(make(foreignKey).create({ streamId }))).toBe('The stream token is not valid');
  });

  it('does not hold with any character changed, left out or added', () => {
    const token = tokens.create({ streamId, callerId: 'u1' });
    const next = (character: string): string => (character === 'A' ? 'B' : 'A');
    for (let at = 0; at < token.length; at++) {
      const [before, own, after] = [token.slice(0, at), token[at] ?? '', token.slice(at + 1)];
      for (const other of [before + next(own) + after, before + after, `${before}A${own}${after}`]) {
        if (other !== token) expect(refusalOf(other)).toBe('The stream token is not valid');
      }
    }
    // The last character of a tag has two bits that decoders drop.
    const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const value = last.indexOf(token.at(-1) ?? '');
    expect(refusalOf(token.slice(0, -1) + (last[value ^ 1] ?? ''))).toBe('The stream token is not valid');
  });

  it.each([
    '',
    ' ',
    '.',
    '..',
    'skt1',
    'skt1.',
    'skt1..',
    'null',
    '\0',
    'skt1.e30.',
    `skt1.e30.${'A'.repeat(43)}`,
  ])('is not %j', (text) => {
    expect(refusalOf(text)).toBe('The stream token is not valid');
  });

  it('is nothing that is random, or as long as a request', () => {
    const random = seededRandom(7);
    for (let turn = 0; turn < 500; turn++) {
      const text = Array.from({ length: random() * 200 }, () => String.fromCharCode(random() * 256)).join('');
      expect(refusalOf(text)).toBe('The stream token is not valid');
    }
    const long = signed(
      JSON.stringify({ s: streamId, c: ['sse'], r: 'viewer', e: 9e15, i: 'x'.repeat(4096) }),
    );
    expect(refusalOf(long)).toBe('The stream token is not valid');
  });

  it.each([
    'no JSON',
    'null',
    '[]',
    '{}',
    '{"s":7,"c":["sse"],"r":"viewer","e":9e15}',
    `{"s":"${streamId}","c":"sse","r":"viewer","e":9e15}`,
    `{"s":"${streamId}","c":["sse"],"r":"admin","e":9e15}`,
    `{"s":"${streamId}","c":["sse"],"r":"viewer","e":"9e15"}`,
    `{"s":"${streamId}","c":["sse"],"r":"viewer","e":9e15,"i":7}`,
  ])('with a tag that is right still does not hold when it says %s', (payload) => {
    expect(refusalOf(signed(payload))).toBe('The stream token is not valid');
    tokens.verify(signed(`{"s":"${streamId}","c":["sse"],"r":"viewer","e":9e15}`));
  });

  it.each([
    [null],
    [{}],
    [{ streamId: '' }],
    [{ streamId: 'a/b' }],
    [{ streamId, scope: [] }],
    [{ streamId, scope: ['everything'] }],
    [{ streamId, scope: 'sse' }],
    [{ streamId, role: 'admin' }],
    [{ streamId, expiresInSeconds: 0 }],
    [{ streamId, expiresInSeconds: 86_401 }],
    [{ streamId, expiresInSeconds: 1.5 }],
    [{ streamId, callerId: '' }],
    [{ streamId, callerId: 'x'.repeat(257) }],
    [{ streamId, callerContext: 'u1' }],
    [{ streamId, callerContext: { text: 'x'.repeat(4096) } }],
    [{ streamId, callerContext: { big: 1n } }],
    [{ streamId, lifetime: 1 }],
  ])('is not made of %o', async (request) => {
    expect(await codeOf(() => tokens.create(request as unknown as StreamTokenRequest))).toBe('bad_option');
  });
});
