import { afterAll, beforeAll, expect, test } from 'vitest';

import { TestServer } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

const CAPTURES = ['tab', 'screencast'] as const;
let browser: ViewerBrowser;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
});

afterAll(() => browser.close());

// Both captures wait at once.
test('with strict lip sync flash and beep stay together', async () => {
  const servers: TestServer[] = [];
  try {
    const sessions = await Promise.all(
      CAPTURES.map(async (capture) => {
        const server = await TestServer.start({ capture, lipSync: 'strict' });
        servers.push(server);
        const session = await server.create(server.page('mode=flash'));
        await server.state(session, ({ status }) => status === 'connecting');
        return { capture, server, session };
      }),
    );
    // Nothing is started any more: packets that come in bursts make a receiver hold sound back for half a minute.
    const viewers: { capture: string; viewer: ViewerTab }[] = [];
    for (const { capture, server, session } of sessions) {
      const viewer = await browser.open(server);
      await viewer.connect(session);
      await viewer.firstPicture();
      viewers.push({ capture, viewer });
    }
    // The receiver brings the two together step by step, one a second at most, as it learns from sender reports
    // (libwebrtc, StreamSynchronization), and rests when it believes them within 30 ms.
    const skews = viewers.map(({ viewer }) => viewer.read<number[]>('readSkewsUntilWithin(40, 80_000)'));
    for (const [index, settling] of (await Promise.all(skews)).entries()) {
      const message = `by ${viewers[index]?.capture}, beep after flash by ${settling.join(', ')} ms`;
      expect(settling.length, message).toBeGreaterThanOrEqual(6);
      for (const three of [settling.slice(-6, -3), settling.slice(-3)]) {
        expect(Math.abs(three.sort((a, b) => a - b)[1] ?? Infinity), message).toBeLessThan(40);
      }
    }
    await Promise.all(viewers.map(({ viewer }) => viewer.close()));
  } finally {
    await Promise.all(servers.map((server) => server.close()));
  }
});
