import { spawnSync } from 'node:child_process';

import puppeteer, { type Browser } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { PATIENCE_MS } from '../helpers/patience.js';
import { TestServer } from '../helpers/test-server.js';
import { ViewerTab } from '../helpers/viewer-browser.js';

/** Debian's and Mozilla's names; the first that runs. */
const firefox = ['firefox-esr', 'firefox']
  .map((name) => spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim())
  .find((path) => path !== '');

/** Its DTLS and SRTP are NSS and libsrtp, where Chromium has BoringSSL: another handshake, and another choice of ciphers. */
describe.skipIf(firefox === undefined).each(['native', 'werift'] as const)(
  'Firefox on the %s media plane',
  (mediaPlane) => {
    let browser: Browser;
    let server: TestServer;

    beforeAll(async () => {
      browser = await puppeteer.launch({
        browser: 'firefox',
        executablePath: firefox ?? '',
        headless: true,
        timeout: 2 * PATIENCE_MS,
        extraPrefsFirefox: {
          'media.autoplay.default': 0,
          // Its addresses as they are: nobody resolves names of the local network here.
          'media.peerconnection.ice.obfuscate_host_addresses': false,
          'media.peerconnection.ice.loopback': true,
        },
      });
      server = await TestServer.start({ mediaPlane });
    });

    afterAll(async () => {
      await server.close();
      await browser.close();
    });

    test('shows the page', async () => {
      const session = await server.create(server.page('mode=bars'), { videoCodec: 'vp8' });
      const page = await browser.newPage();
      await page.goto(`${server.origin}/fixtures/viewer.html`);
      await page.waitForFunction('window.ready === true');
      const viewer = new ViewerTab(page);
      await page.evaluate((url) => {
        const scope = window as any;
        scope.viewer = new scope.Viewer(url, {});
        return scope.viewer.open();
      }, session.url);
      await viewer.firstPicture();
      expect(await viewer.read('viewer.peer.connectionState')).toBe('connected');
      await viewer.close();
      expect(await server.delete(session)).toBe(204);
    });
  },
);
