import type { SessionDiagnostics } from '../../src/protocol/session-diagnostics.js';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { PATIENCE_MS, until } from '../helpers/patience.js';
import { TestServer } from '../helpers/test-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';
import { ViewerNetwork } from '../helpers/viewer-network.js';

/** Carries sound, and no rung beside it. */
const LINK_BPS = 270_000;

let server: TestServer;
let browser: ViewerBrowser;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
  server = await TestServer.start({ mediaPlane: 'native' });
});

afterAll(async () => {
  await server.close();
  await browser.close();
});

test(
  'a viewer whose link carries no moving picture gets sound and one picture per second, and the server says why',
  { timeout: 5 * PATIENCE_MS },
  async () => {
    const session = await server.create(server.page('mode=counter&tone=440'));
    const network = new ViewerNetwork();
    await network.limit(LINK_BPS);
    const viewer = await browser.openBehind(network, server);
    await viewer.connect(session);
    await viewer.firstPicture();
    await until(async () => {
      const answer = await fetch(`${session.url}/diagnostics`);
      const { viewers } = (await answer.json()) as SessionDiagnostics;
      expect(viewers[0]?.rung).toMatchObject({ reason: 'slides', frameRate: 1 });
    });
    await viewer.until('video.videoHeight < 180');
    const [first = 0, second = 0, third = 0] = await viewer.read<number[]>('readCounters(3)');
    expect(third).toBeGreaterThan(second);
    // The page counts 30 pictures per second.
    expect(third - first).toBeGreaterThan(30);
    const packets = 'viewer.stats().then(({ audio }) => audio.packetsReceived)';
    const before = await viewer.read<number>(packets);
    await viewer.until(`${packets}.then((received) => received > ${before + 50})`);
    await viewer.close();
    await network.cut();
    expect(await server.delete(session)).toBe(204);
  },
);
