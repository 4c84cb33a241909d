import { expect, it } from 'vitest';

import { connectOptions } from '../../../src/react/connect-options.js';
import type { UseStreamOptions } from '../../../src/react/use-stream.js';

it('passes every option of a connection on, and calls the newest functions', async () => {
  const livekit = (): Promise<unknown> => Promise.resolve({});
  const options = {
    ...{
      url: '/stream',
      streamId: 'one',
      videoCodec: 'vp8',
      maxHeight: 720,
      maxBitrateBps: 1e6,
      media: 'none',
    },
    ...{ transport: 'webrtc', credentials: 'include', timing: 'picture', livekit },
  } as const satisfies UseStreamOptions;
  const latest: { current: UseStreamOptions } = {
    current: { ...options, token: 'old', onState: () => undefined, onStatus: () => undefined },
  };
  const made = connectOptions(latest, undefined);
  expect(made).toMatchObject(options);
  // The hook tells of these itself.
  expect(made).toMatchObject({ onState: undefined, onStatus: undefined, onError: undefined });
  latest.current = { ...options, token: 'new', headers: { 'x-test': '1' } };
  const { token, headers } = made;
  expect(typeof token === 'function' && (await token())).toBe('new');
  expect(typeof headers === 'function' && (await headers())).toEqual({ 'x-test': '1' });
});

it('joins the session that was made before in place of another one', () => {
  const latest = { current: { url: '/stream', create: { targetUrl: 'https://example.org/' } } };
  expect(connectOptions(latest, undefined)).toMatchObject({ create: { targetUrl: 'https://example.org/' } });
  expect(connectOptions(latest, 'made')).toMatchObject({ streamId: 'made', create: undefined });
});
