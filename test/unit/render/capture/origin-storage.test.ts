import { expect, test } from 'vitest';

import { silentLogger } from '../../../../src/base/logger.js';
import type { StoredOrigin } from '../../../../src/profiles/profile-state.js';
import type { BrowserTab } from '../../../../src/render/capture/browser-tab.js';
import { fillOrigins } from '../../../../src/render/capture/origin-storage.js';

const ORIGINS: readonly StoredOrigin[] = ['http://one.example', 'http://two.example'].map((origin) => ({
  origin,
  localStorage: [{ name: 'key', value: origin }],
}));

/** A tab that navigates as `navigate` says, and fills what is asked for unless `refuses` throws. */
function tabOf(navigate: (url: string) => unknown, refuses: () => void = () => undefined) {
  const filled: string[] = [];
  const cdp = {
    on: () => cdp,
    send: async (method: string, { url = '' }: { url?: string } = {}) =>
      method === 'Page.navigate' ? await navigate(url) : {},
  };
  const evaluate = (_run: unknown, { origin }: { origin: string }): Promise<boolean> => {
    refuses();
    filled.push(origin);
    return Promise.resolve(true);
  };
  return { tab: { cdp, evaluate } as unknown as BrowserTab, filled };
}

const failure = expect.objectContaining({ code: 'profile_failed' }) as object;

test('the local storage of every origin is filled', async () => {
  const { tab, filled } = tabOf(() => ({}));
  await fillOrigins(tab, ORIGINS, silentLogger);
  expect(filled).toEqual(['http://one.example', 'http://two.example']);
});

test('an origin that the browser refuses is left out with a warning, and the others are filled', async () => {
  const warned: object[] = [];
  const logger = { ...silentLogger, warn: (bindings: object) => void warned.push(bindings) };
  const { tab, filled } = tabOf((url) =>
    url.includes('one') ? { errorText: 'net::ERR_UNSAFE_PORT' } : { errorText: '' },
  );
  await fillOrigins(tab, ORIGINS, logger, 20);
  expect([filled, warned]).toEqual([['http://two.example'], [{ origin: 'http://one.example' }]]);
});

test.each([
  ['answers too late', () => new Promise(() => undefined), undefined],
  [
    'has no room',
    () => ({}),
    () => {
      throw new Error('QuotaExceededError');
    },
  ],
])('an origin that %s fails the profile: nothing is lost in silence', async (_what, navigate, refuses) => {
  const { tab } = tabOf(navigate, refuses);
  await expect(fillOrigins(tab, ORIGINS, silentLogger, 20)).rejects.toEqual(failure);
});
