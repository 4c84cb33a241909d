import { expect, it } from 'vitest';

import { resolveOptions } from '../../../src/options/stream-kit-options.js';
import type { TargetPolicyOptions } from '../../../src/options/target-policy-options.js';

const accepted = (flag: string, targetPolicy: TargetPolicyOptions): readonly string[] | undefined =>
  resolveOptions({ targetPolicy, puppeteerLaunchOptions: { args: ['--lang=de', flag] } })
    .puppeteerLaunchOptions.args;

const OPEN = { allowPrivateAddresses: true };

it.each(['--remote-debugging-port=9222', '-remote-debugging-pipe', '--user-data-dir=/home/me', '--'])(
  'the flag %s, by which a browser would be another than one of ours, is refused',
  (flag) => {
    const because = 'because each session drives a browser with a profile of its own over a pipe';
    const name = flag.replace(/^-+|=.*/g, '');
    expect(() => accepted(flag, OPEN)).toThrow(
      `Expected no --${name} in puppeteerLaunchOptions.args ${because}`,
    );
  },
);

it.each([
  ...['--proxy-server=http://10.0.0.1', '-proxy-pac-url=data:,', ' --proxy-bypass-list=*'],
  ...['--proxy-auto-detect', '--no-proxy-server', '--host-resolver-rules=', '--host-rules=MAP * 10.0.0.1'],
  ...['--force-webrtc-ip-handling-policy=default', '--webrtc-ip-handling-policy', '--disable-web-security'],
  ...['--enable-quic', '--origin-to-force-quic-on=a.org:443'],
])('the flag %s is refused where pages may not reach all', (flag) => {
  const because = 'because pages would get past the targetPolicy';
  const name = flag.replace(/^ ?-+|=.*/g, '');
  expect(() => accepted(flag, {})).toThrow(`Expected no --${name} in puppeteerLaunchOptions.args ${because}`);
  expect(() => accepted(flag, { ...OPEN, denyHosts: ['a.org'] })).toThrow(because);
  expect(accepted(flag, OPEN)).toEqual(['--lang=de', flag]);
});

it.each(['--use-angle=vulkan', '--proxy-server-like', '--no-sandbox', 'about:blank'])(
  'the argument %s is passed on',
  (flag) => expect(accepted(flag, {})).toEqual(['--lang=de', flag]),
);

it.each([
  [{ dumpio: true }, 'dumpio because the browser is started without Puppeteer, in another process'],
  [{ targetFilter: () => true }, 'targetFilter because the browser is started without Puppeteer'],
  [{ signal: new AbortController().signal }, 'signal because the browser is started without Puppeteer'],
  [{ env: { A: (() => 'a') as unknown as string } }, 'env that cannot be sent to another process'],
  [{ timeout: Number.NaN }, 'timeout that cannot be sent to another process'],
  [{ args: new Set() as unknown as string[] }, 'args that cannot be sent to another process'],
])(
  'launch options that another process could not be given are refused: %j',
  (puppeteerLaunchOptions, sentence) => {
    expect(() => resolveOptions({ puppeteerLaunchOptions })).toThrow(
      `Expected no puppeteerLaunchOptions.${sentence}`,
    );
  },
);

it('launch options of Puppeteer that say what is so anyway are taken', () => {
  const given = {
    pipe: true,
    browser: 'chrome' as const,
    defaultViewport: null,
    headless: true,
    env: { A: 'a' },
  };
  expect(resolveOptions({ puppeteerLaunchOptions: given }).puppeteerLaunchOptions).toEqual(given);
});
