import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Page } from 'puppeteer';

import { PATIENCE_MS } from './patience.js';
import type { ViewerBrowser } from './viewer-browser.js';

/** A page that is red at first, and blue for who has been there before. */
const VISITS_PAGE = `<!doctype html><title>visits</title><style>body{margin:0}i{position:fixed;width:8px;height:8px;background:#fff}</style><i></i>
<script>
  const visits = Number(localStorage.getItem('visits') ?? 0) + 1;
  localStorage.setItem('visits', visits);
  const cookie = document.cookie;
  document.cookie = 'visited=yes; max-age=3600';
  document.body.style.background = visits === 1 ? 'rgb(200,0,0)' : 'rgb(0,0,200)';
  streamKit.on('state', (state) => streamKit.setMetadata({ state }));
  streamKit.setMetadata({ visits, cookie });
  const mark = document.querySelector('i');
  const draw = (ms) => {
    mark.style.left = (ms / 10) % 300 + 'px';
    requestAnimationFrame(draw);
  };
  requestAnimationFrame(draw);
</script>`;

/** For {@link SeenColours}: what a tab with the page of a session sees: the colour in the middle, and what the SDK tells. */
const WATCH_COLOURS = `(() => {
  const view = document.querySelector('stream-view');
  const video = view.shadowRoot.querySelector('video');
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const { connection } = view;
  const seen = (window.seen = { errors: [], statuses: [], blueAtMs: null, isRed: false });
  connection.on('error', ({ code }) => seen.errors.push(code));
  connection.on('status', (status) => seen.statuses.push(status));
  setInterval(() => {
    if (video.readyState < 2) return;
    context.drawImage(video, video.videoWidth / 2, video.videoHeight / 2, 1, 1, 0, 0, 1, 1);
    const [red, , blue] = context.getImageData(0, 0, 1, 1).data;
    seen.isRed ||= red > 120 && blue < 80;
    if (blue > 120 && red < 80) seen.blueAtMs ??= Date.now();
  }, 20);
})()`;

/** `window.seen` of a tab. */
export interface SeenColours {
  readonly errors: readonly string[];
  readonly statuses: readonly string[];
  readonly blueAtMs: number | null;
  readonly isRed: boolean;
}

/** Serves the page of visits on loopback. @returns its URL; what ends it is added to `ends` */
export async function serveVisits(ends: (() => unknown)[]): Promise<string> {
  const site = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(VISITS_PAGE);
  });
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  ends.push(() => {
    site.closeAllConnections();
    site.close();
  });
  return `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
}

/** Watches a session until its picture, the red one, is there. @param url - of the session */
export async function watchColours(browser: ViewerBrowser, url: string): Promise<Page> {
  const page = await browser.browser.newPage();
  await page.goto(`${url}/view`);
  await page.waitForFunction(`document.querySelector('stream-view')?.connection !== undefined`);
  await page.evaluate(WATCH_COLOURS);
  await page.waitForFunction('window.seen.isRed', { polling: 100, timeout: 3 * PATIENCE_MS });
  return page;
}

export const coloursSeenBy = (page: Page): Promise<SeenColours> =>
  page.evaluate('window.seen') as Promise<SeenColours>;
