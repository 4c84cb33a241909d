import { expect, it } from 'vitest';

import type { BrowserProcess } from '../../../../src/render/capture/browser-process.js';
import { RenderedPage } from '../../../../src/render/capture/rendered-page.js';
import { silentLogger } from '../../../../src/base/logger.js';

/** Loads a page that answers with a header, in a browser that is made up. */
async function load(contained: boolean, url: string, proxyStatus: string): Promise<void> {
  const cdp = {
    on: () => undefined,
    once: () => undefined,
    off: () => undefined,
    target: { targetId: '', type: 'page' },
    send: () =>
      Promise.resolve({
        frameTree: { frame: { id: '' } },
        product: 'HeadlessChrome/156.0.1',
        userAgent: 'Agent',
        targetInfos: [],
      }),
  };
  const answer = { url, headers: { 'proxy-status': proxyStatus } };
  const browserProcess = {
    tab: {
      cdp,
      watch: () => undefined,
      navigate: (...[, , wantsAnswer]: unknown[]) =>
        Promise.resolve(wantsAnswer === true ? answer : undefined),
    },
    connection: { browser: cdp },
    cdp,
    isContained: contained,
  } as unknown as BrowserProcess;
  const size = { width: 64, height: 64, deviceScaleFactor: 1, frameRate: 30 };
  const parameters = { ...size, targetUrl: url, audio: false, initialData: null };
  const none = (): undefined => undefined;
  const listener = {
    onPageMetadata: none,
    onPageMessage: none,
    onCursor: none,
    onClipboard: none,
    onPageEvent: none,
  };
  const page = await RenderedPage.prepare(browserProcess, parameters, listener, silentLogger);
  await page.navigate(url, 1000);
}

it('tells a page that the proxy refused from one that says so itself', async () => {
  const status = 'egress; error=dns_error';
  await expect(load(true, 'http://a.example/', status)).rejects.toThrow('could not be loaded: dns_error');
  for (const [contained, url, proxyStatus] of [
    [false, 'http://a.example/', status],
    [true, 'https://a.example/', status],
    [true, 'http://a.example/', 'cdn.example; error=dns_error'],
  ] as const) {
    await expect(load(contained, url, proxyStatus)).resolves.toBeUndefined();
  }
});
