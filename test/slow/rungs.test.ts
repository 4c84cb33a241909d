import type { SessionDiagnostics } from '../../src/protocol/session-diagnostics.js';
import { existsSync } from 'node:fs';
import { join as joinPath } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { PATIENCE_MS, until } from '../helpers/patience.js';
import { root } from '../helpers/product.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';
import { ViewerNetwork } from '../helpers/viewer-network.js';

const MAX_BITRATE_BPS = 1_400_000;
/** Carries a rung with a smaller picture. */
const POOR_LINK_BPS = 600_000;
/** Heights of the pictures that were shown, each time that they changed. */
const NOTE_HEIGHTS = `window.heights = [];
  video.addEventListener('resize', () => heights.push(video.videoHeight));`;

let server: TestServer;
let browser: ViewerBrowser;
const tabs: ViewerTab[] = [];

beforeAll(async () => {
  [server, browser] = await Promise.all([TestServer.start({ maxRungs: 2 }), ViewerBrowser.launch()]);
});

afterEach(async () => {
  await Promise.all(tabs.splice(0).map((tab) => tab.close()));
});

afterAll(async () => {
  await Promise.all([server.close(), browser.close()]);
});

async function join(session: CreatedSession, network = new ViewerNetwork()): Promise<ViewerTab> {
  const tab = await browser.openBehind(network, server);
  tabs.push(tab);
  await tab.read(NOTE_HEIGHTS);
  await tab.connect(session, { query: 'videoCodec=h264' });
  await tab.firstPicture();
  return tab;
}

async function diagnose(session: CreatedSession): Promise<SessionDiagnostics> {
  return (await (await fetch(`${session.url}/diagnostics`)).json()) as SessionDiagnostics;
}

/** Only the addon estimates links. */
const isBuilt = existsSync(joinPath(root, 'native', 'build', 'Release', 'media_plane.node'));

describe.skipIf(!isBuilt)('two viewers of one session, one behind a slow link', () => {
  it(
    'get what their links carry, and the slow one gets all once its link has recovered',
    { timeout: 10 * PATIENCE_MS },
    async () => {
      const session = await server.create(server.page('mode=counter'), {
        maxBitrateBps: MAX_BITRATE_BPS,
      });
      const network = new ViewerNetwork();
      await network.limit(POOR_LINK_BPS);
      const good = await join(session);
      const poor = await join(session, network);
      // A smaller picture comes, and it goes on.
      await poor.until('video.videoHeight < 360');
      expect(await good.read('viewer.stats().then(({ video }) => video.frameHeight)')).toBe(360);
      const counters = await poor.read<number[]>('readCounters(30)');
      expect(counters).toEqual([...counters].sort((a, b) => a - b));
      await until(async () => {
        const { viewers, encodings } = await diagnose(session);
        expect(viewers.map(({ rung }) => rung?.reason)).toEqual(['full', 'link']);
        expect(encodings.map(({ rung }) => rung)).toEqual(expect.arrayContaining([0, 1]));
      });
      await server.state(
        session,
        ({ metadata }) =>
          metadata.video?.rungs.map(({ viewers }: { viewers: number }) => viewers).join() === '1,1',
      );
      await network.limit(Infinity);
      // Probes pause for up to 12 s, and on a busy machine some fail.
      await poor.until('video.videoHeight === 360', 3 * PATIENCE_MS);
      const after = await poor.read<number[]>('readCounters(30)');
      expect(after).toEqual([...after].sort((a, b) => a - b));
      await until(async () => {
        const { viewers } = await diagnose(session);
        expect(viewers.map(({ rung }) => rung?.reason)).toEqual(['full', 'full']);
      });
      // The second encoding ends, and the good viewer's pictures were of full size all the time.
      await server.state(session, ({ metadata }) => metadata.video?.rungs.length === 1);
      expect(await good.read('heights.every((height) => height === 360)')).toBe(true);
      // The application bounds one of two viewers whose links carry all.
      const bound = async (maxHeight: number | null): Promise<unknown> => {
        const headers = { 'content-type': 'application/json' };
        const body = JSON.stringify({ maxHeight });
        return (await fetch(`${session.url}/viewers/2`, { method: 'PATCH', headers, body })).json();
      };
      expect(await bound(180)).toEqual({ maxHeight: 180, maxBitrateBps: null });
      await poor.until('video.videoHeight === 180');
      const { viewers } = await diagnose(session);
      expect(viewers.map(({ rung }) => rung?.reason)).toEqual(['full', 'bound']);
      const bounded = await poor.read<number[]>('readCounters(30)');
      expect(bounded).toEqual([...bounded].sort((a, b) => a - b));
      await bound(null);
      await poor.until('video.videoHeight === 360');
      expect(await good.read('heights.every((height) => height === 360)')).toBe(true);
      await network.cut();
      expect(await server.delete(session)).toBe(204);
    },
  );
});
