import { expect, it } from 'vitest';

import type { BrowserProcess } from '../../../../src/render/capture/browser-process.js';
import type { PageOptions } from '../../../../src/options/page-options.js';
import { RenderedPage } from '../../../../src/render/capture/rendered-page.js';
import { silentLogger } from '../../../../src/base/logger.js';

/** Loads a page that answers with a header, in a browser that is made up; gives the scripts that its documents run. */
async function load(
  contained: boolean,
  url: string,
  proxyStatus: string,
  page?: PageOptions,
): Promise<string[]> {
  const scripts: string[] = [];
  const cdp = {
    on: () => undefined,
    once: () => undefined,
    off: () => undefined,
    target: { targetId: '', type: 'page' },
    send: (method: string, { source }: { source?: string } = {}) => {
      if (method === 'Page.addScriptToEvaluateOnNewDocument' && source !== undefined) scripts.push(source);
      return Promise.resolve({
        frameTree: { frame: { id: '' } },
        product: 'HeadlessChrome/156.0.1',
        userAgent: 'Agent',
        targetInfos: [],
      });
    },
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
  const initialData = { token: 'secret' };
  const parameters = { ...size, targetUrl: url, audio: false, initialData, ...(page && { page }) };
  const none = (): undefined => undefined;
  const listener = {
    onPageMetadata: none,
    onPageMessage: none,
    onCursor: none,
    onClipboard: none,
    onPageEvent: none,
  };
  const rendered = await RenderedPage.prepare(browserProcess, parameters, listener, silentLogger);
  await rendered.navigate(url, 1000);
  return scripts;
}

it('gives the initial data to documents of the target and of the origins that the option adds', async () => {
  const url = 'http://a.example/path?query';
  const bridge = (scripts: string[]): string => scripts.find((source) => source.includes('secret')) ?? '';
  const own = '["http://a.example","https://a.example"]';
  expect(bridge(await load(false, url, ''))).toContain(own);
  const added = await load(false, url, '', { bridgeOrigins: ['https://added.example'] });
  expect(bridge(added)).toContain(`${own.slice(0, -1)},"https://added.example"]`);
});

it('tells a page that the proxy refused from one that says so itself', async () => {
  const status = 'egress; error=dns_error';
  await expect(load(true, 'http://a.example/', status)).rejects.toThrow('could not be loaded: dns_error');
  for (const [contained, url, proxyStatus] of [
    [false, 'http://a.example/', status],
    [true, 'https://a.example/', status],
    [true, 'http://a.example/', 'cdn.example; error=dns_error'],
  ] as const) {
    await expect(load(contained, url, proxyStatus)).resolves.toBeDefined();
  }
});
