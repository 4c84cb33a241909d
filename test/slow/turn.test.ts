import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { SessionDiagnostics, ViewerDiagnostics } from '../../src/protocol/session-diagnostics.js';
import { LossyPath } from '../helpers/lossy-path.js';
import { until } from '../helpers/patience.js';
import { root } from '../helpers/product.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { TurnServer } from '../helpers/turn-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

const isPossible =
  TurnServer.isInstalled && existsSync(join(root, 'native', 'build', 'Release', 'media_plane.node'));
/** Consent ends 30 s after the last answer (RFC 7675 section 5.1). */
const CONSENT_PATIENCE_MS = 90_000;

/** One after the other, with one viewer. */
describe.skipIf(!isPossible)('a browser that only a relay of the server’s reaches', () => {
  let turn: TurnServer;
  let path: LossyPath;
  let server: TestServer;
  let browser: ViewerBrowser;
  let session: CreatedSession;
  let viewer: ViewerTab;

  beforeAll(async () => {
    turn = await TurnServer.start();
    path = await LossyPath.open(turn.port);
    const urls = `turn:127.0.0.1:${path.port}?transport=udp`;
    [server, browser] = await Promise.all([
      TestServer.start({ iceServers: [{ ...turn.entry('udp'), urls, usedBy: 'server' }] }),
      ViewerBrowser.launch(),
    ]);
    session = await server.create(server.page('mode=counter&tone=440'));
    viewer = await browser.open(server);
    await viewer.connect(session, { directWay: false });
    await viewer.firstPicture();
  });

  afterAll(async () => {
    await viewer.close();
    await Promise.all([server.close(), browser.close(), turn.stop()]);
    path.close();
  });

  async function seen(): Promise<ViewerDiagnostics | undefined> {
    const response = await fetch(`${session.url}/diagnostics`);
    return ((await response.json()) as SessionDiagnostics).viewers[0];
  }

  const framesDecoded = async (): Promise<number> =>
    (await viewer.read<any>('viewer.stats()')).video.framesDecoded as number;

  test('gets picture and sound, and the server knows what its link carries', async () => {
    const { way } = await viewer.read<any>('viewer.stats()');
    expect(way.local.candidateType).not.toBe('relay');
    expect(way.remote.candidateType).toBe('relay');
    expect(TurnServer.isRelayPort(way.remote.port as number)).toBe(true);
    await viewer.until('readCode(0) > 0');
    await until(async () => {
      const { hz, db } = await viewer.read<{ hz: number; db: number }>('readTone()');
      expect(Math.abs(hz - 440)).toBeLessThan(4);
      expect(db).toBeGreaterThan(-40);
    });
    await until(async () => {
      const { media, ice, rung } = (await seen()) ?? {};
      expect([media, ice?.pair?.local, ice?.pair?.protocol]).toEqual(['connected', 'relay', 'relay']);
      // What JavaScript sends has none.
      expect(rung?.estimatedBitrateBps).toBeGreaterThan(0);
    });
  });

  test('is sent again what is lost on the way to the relay', async () => {
    path.losesEvery = 20;
    await until(async () => {
      const { video } = (await seen()) ?? {};
      expect(video?.fractionLost).toBeGreaterThan(0);
      expect(video?.nacksReceived).toBeGreaterThan(3);
      expect(video?.packetsRetransmitted).toBeGreaterThan(3);
    });
    const before = await framesDecoded();
    await viewer.until(`viewer.stats().then(({ video }) => video.framesDecoded > ${before + 60})`);
    path.losesEvery = 0;
  });

  test('is given up when its relay is gone', async () => {
    await turn.stop();
    await expect
      .poll(async () => (await seen())?.media, { timeout: CONSENT_PATIENCE_MS })
      .not.toBe('connected');
  });
});
