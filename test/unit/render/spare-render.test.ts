import { expect, it } from 'vitest';

import type { CaptureParameters } from '../../../src/render/capture/capture.js';
import { isFit } from '../../../src/render/spare-render.js';

const shape = { width: 1280, height: 720, frameRate: 30, deviceScaleFactor: 1, audio: true, page: {} };
const request: CaptureParameters = {
  ...shape,
  page: { maxTabs: 2 },
  targetUrl: 'http://a.example/',
  initialData: null,
};

it.each<[string, Partial<CaptureParameters>]>([
  ['size', { width: 640, height: 360 }],
  ['frame rate', { frameRate: 60 }],
  ['time zone', { page: { timezone: 'Europe/Berlin' } }],
  ['colour scheme', { page: { colorScheme: 'dark' } }],
  ['cookies', { page: { cookies: [{ name: 'a', value: 'b' }] } }],
])('a browser that is ready fits a session of another %s', (_what, change) => {
  expect(isFit(shape, { ...request, ...change })).toBe(true);
});

it.each<[string, Partial<CaptureParameters>]>([
  ['factor', { deviceScaleFactor: 2 }],
  ['language', { page: { locale: 'de-DE' } }],
  ['kind of pointer', { page: { touch: true } }],
  ['user agent', { page: { userAgent: 'Agent' } }],
  ['proxy', { upstreamProxy: { url: 'http://proxy.example:3128/', isChecked: true } }],
  ['profile', { profile: { path: '/nowhere', maxBytes: 1, mustExist: false } }],
])('a browser that is ready does not fit a session of another %s', (_what, change) => {
  expect(isFit(shape, { ...request, ...change })).toBe(false);
});

it('a browser that is ready with sound does not fit a session without it', () => {
  expect(isFit(shape, { ...request, audio: false })).toBe(false);
});
