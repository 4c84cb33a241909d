import { describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import { defaultBitrateBps } from '../../../src/session/default-bitrate.js';
import { parseSessionRequest } from '../../../src/session/session-request.js';
import { DEFAULT_TARGET_POLICY } from '../../../src/options/target-policy-options.js';
import { testRequest } from '../../helpers/session-fakes.js';

const ANY_TARGET = { ...DEFAULT_TARGET_POLICY, allowPrivateAddresses: true };
const defaults = { viewport: { width: 1920, height: 1080 }, maxBitrateBps: undefined };

function refusal(body: unknown): [code: string, message: string] {
  try {
    parseSessionRequest(body, defaults, ANY_TARGET);
  } catch (error) {
    if (error instanceof StreamKitError) return [error.code, error.message];
    throw error;
  }
  throw new Error('The request was accepted');
}

const refusedOption = (renderOptions: unknown) =>
  refusal({ targetUrl: 'https://example.org', renderOptions });

describe('session request', () => {
  it('fills in what is left out', () => {
    expect(parseSessionRequest({ targetUrl: 'http://localhost:3000/a?b#c' }, defaults, ANY_TARGET)).toEqual({
      targetUrl: 'http://localhost:3000/a?b#c',
      initialData: null,
      asked: {},
      placement: {},
      budget: {},
      renderOptions: {
        width: 1920,
        height: 1080,
        frameRate: 30,
        videoCodec: 'auto',
        videoCodecs: ['h264', 'vp8'],
        maxBitrateBps: defaultBitrateBps(1920 * 1080 * 30),
        deviceScaleFactor: 1,
        audio: true,
        page: {},
      },
    });
  });

  it.each([
    [' \t\n https://example.org/a b \r\n', 'https://example.org/a%20b'],
    ['https:\\\\example.org\\path\\..\\x', 'https://example.org/x'],
    ['HTTPS://EXAMPLE.org:443', 'https://example.org/'],
  ])('normalises the target %j', (given, targetUrl) => {
    expect(parseSessionRequest({ targetUrl: given }, defaults, ANY_TARGET).targetUrl).toBe(targetUrl);
  });

  it('takes what is given and ignores what it does not know', () => {
    const renderOptions = {
      resolution: '1280x720',
      frameRate: 60,
      videoCodec: 'vp8',
      maxBitrateBps: 2_000_000,
      deviceScaleFactor: 1.5,
      audio: false,
      page: {},
      colour: 'green',
    };
    const request = testRequest({ initialData: { a: [1] }, renderOptions });
    expect(request.initialData).toEqual({ a: [1] });
    expect(request.renderOptions).toEqual({
      width: 1280,
      height: 720,
      frameRate: 60,
      videoCodec: 'vp8',
      videoCodecs: ['vp8'],
      maxBitrateBps: 2_000_000,
      deviceScaleFactor: 1.5,
      audio: false,
      page: {},
    });
  });

  it.each([
    ['resolution', '1280*720'],
    ['resolution', '1281x720'],
    ['resolution', '62x64'],
    ['resolution', '3842x2160'],
    ['resolution', 1280],
    ['resolution', null],
    ['frameRate', 0],
    ['frameRate', 61],
    ['frameRate', 29.97],
    ['frameRate', '30'],
    ['videoCodec', 'hevc'],
    ['maxBitrateBps', 99_999],
    ['maxBitrateBps', 1e9],
    ['deviceScaleFactor', 0.4],
    ['deviceScaleFactor', 4.1],
    ['audio', 'yes'],
  ])('names %s when it is %j', (key, value) => {
    const [code, message] = refusedOption({ [key]: value });
    expect(code).toBe('bad_request');
    expect(message).toContain(`renderOptions.${key}`);
  });

  it.each([[[]], ['fast'], [1], [null]])('refuses renderOptions that are %j', (renderOptions) => {
    expect(refusedOption(renderOptions)[0]).toBe('bad_request');
  });

  it.each([
    undefined,
    7,
    '',
    '/relative',
    'data:text/html,x',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'chrome://gpu',
    'https://user:secret@example.org/',
    'https://user@example.org/',
    `https://example.org/${'x'.repeat(8192)}`,
  ])('refuses the target %j', (targetUrl) => {
    const [code, message] = refusal({ targetUrl });
    expect(code).toBe('bad_target_url');
    expect(message).not.toContain('secret');
  });

  it.each([null, [], 'text', 1])('refuses the body %j', (body) => {
    expect(refusal(body)[0]).toBe('bad_request');
  });

  it('keeps of the render options as they were given what it knows', () => {
    const known = { resolution: '640x360', videoCodec: 'vp8', locale: 'de-DE', touch: true };
    expect(testRequest({ renderOptions: { ...known, junk: 'x'.repeat(1000) } }).asked).toEqual(known);
  });

  it('refuses initial data that is too large or too deep', () => {
    const targetUrl = 'https://example.org';
    expect(refusal({ targetUrl, initialData: 'x'.repeat(256 * 1024) })[0]).toBe('too_large');
    const deep: unknown = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000));
    expect(refusal({ targetUrl, initialData: deep })[0]).toBe('bad_request');
  });

  it('lets a client lower the bitrate limit of the server, and not lift it', () => {
    const limited = { ...defaults, maxBitrateBps: 3_000_000 };
    const asked = (maxBitrateBps?: number): number =>
      parseSessionRequest({ targetUrl: 'http://a', renderOptions: { maxBitrateBps } }, limited, ANY_TARGET)
        .renderOptions.maxBitrateBps;
    expect(asked()).toBe(3_000_000);
    expect(asked(9_000_000)).toBe(3_000_000);
    expect(asked(1_000_000)).toBe(1_000_000);
  });
});

describe('default bitrate', () => {
  it('suits the sizes that people know and stays within bounds', () => {
    expect(defaultBitrateBps(1280 * 720 * 30)).toBe(4_000_000);
    const at1080p30 = defaultBitrateBps(1920 * 1080 * 30);
    expect(at1080p30).toBeGreaterThan(6_000_000);
    expect(at1080p30).toBeLessThan(8_000_000);
    expect(defaultBitrateBps(64 * 64)).toBe(300_000);
    expect(defaultBitrateBps(3840 * 2160 * 60)).toBeLessThanOrEqual(25_000_000);
  });
});
