import type { Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { PATIENCE_MS, until } from '../helpers/patience.js';
import { SfuServer } from '../helpers/sfu-server.js';
import { type CreatedSession, TestServer } from '../helpers/test-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

let server: TestServer;
let browser: ViewerBrowser;
let session: CreatedSession;

beforeAll(async () => {
  server = await TestServer.start({ publications: { targets: { allowPrivateAddresses: true } } });
  browser = await ViewerBrowser.launch();
  session = await server.create(server.page('mode=counter'));
  await server.state(session, ({ status }) => status === 'connecting');
});

afterAll(async () => {
  await browser.close();
  await server.close();
});

async function viewerPage(): Promise<Page> {
  const page = await browser.browser.newPage();
  await page.goto(`${server.origin}/fixtures/second.html`);
  await page.evaluate(() => {
    const video = document.createElement('video');
    video.muted = true;
    video.autoplay = true;
    document.body.replaceChildren(video);
  });
  return page;
}

/** Pictures that were decoded, and their size. */
function shown(page: Page): Promise<{ frames: number; size: number[] }> {
  return page.evaluate(() => {
    const video = document.querySelector('video');
    return {
      frames: video?.getVideoPlaybackQuality().totalVideoFrames ?? 0,
      size: [video?.videoWidth ?? 0, video?.videoHeight ?? 0],
    };
  });
}

async function untilPlaying(page: Page): Promise<void> {
  // What changes the picture is the page itself.
  await expect.poll(async () => (await shown(page)).frames, { timeout: 2 * PATIENCE_MS }).toBeGreaterThan(30);
  // It is published one size smaller while there is too little CPU time, or its link seems to carry too little.
  await expect.poll(async () => (await shown(page)).size, { timeout: 2 * PATIENCE_MS }).toEqual([640, 360]);
}

/** Ends it at the end of the test, whatever became of it. */
async function published(url: string, token: string | undefined, work: () => Promise<void>): Promise<void> {
  const publication = server.router.sessions
    .get(session.id)
    .publish({ url, ...(token === undefined ? {} : { token }) });
  try {
    await until(() => expect(publication.info).toMatchObject({ status: 'live' }));
    await work();
    // Its keyframe requests and its reports arrive: without them no newcomer gets a picture, and nothing is known of the way there.
    await until(() => {
      const [{ video, rung } = { video: null, rung: null }] = server.router.sessions.get(session.id)
        .diagnostics.publications;
      expect(video?.plisReceived).toBeGreaterThan(0);
      expect(video?.rttMs).not.toBeNull();
      expect(rung).toMatchObject({ width: 640, height: 360 });
      expect(rung?.estimatedBitrateBps).not.toBeNull();
    });
    expect(publication.info).toMatchObject({ status: 'live' });
  } finally {
    await publication.stop();
  }
}

describe('LiveKit', () => {
  test('takes a session by WHIP and shows it to livekit-client', async () => {
    const livekit = await SfuServer.livekit();
    const page = await viewerPage();
    try {
      const room = 'theatre';
      const publisher = SfuServer.token({ identity: 'render', room, canPublish: true });
      await published(`${livekit.origin}/whip/v1`, publisher, async () => {
        const token = SfuServer.token({ identity: 'viewer', room, canPublish: false, canSubscribe: true });
        // As text: the test runner would put its own import in place.
        await page.evaluate(`(async () => {
          const { Room } = await import('/vendor/livekit-client/dist/livekit-client.esm.mjs');
          window.kinds = [];
          window.joined = new Room();
          joined.on('trackSubscribed', (track) => {
            kinds.push(track.kind);
            if (track.kind === 'video') track.attach(document.querySelector('video'));
          });
          await joined.connect('${livekit.origin.replace('http', 'ws')}', '${token}');
        })()`);
        await untilPlaying(page);
        await expect
          .poll(() => page.evaluate('window.kinds.sort().join()'), { timeout: PATIENCE_MS })
          .toBe('audio,video');
      });
      // It was told: the participant has gone.
      await expect
        .poll(() => page.evaluate('window.joined.remoteParticipants.size'), { timeout: PATIENCE_MS })
        .toBe(0);
    } finally {
      await page.close();
      await livekit.close();
    }
  });
});

describe('the example of Pion', () => {
  test('takes a session by WHIP and serves it by WHEP', async () => {
    const pion = await SfuServer.pion();
    const page = await viewerPage();
    try {
      await published(`${pion.origin}/whip`, undefined, async () => {
        await page.evaluate(async (endpoint) => {
          const peer = new RTCPeerConnection();
          peer.ontrack = ({ track }) => {
            const video = document.querySelector('video');
            if (video !== null && track.kind === 'video') video.srcObject = new MediaStream([track]);
          };
          for (const kind of ['audio', 'video']) peer.addTransceiver(kind, { direction: 'recvonly' });
          await peer.setLocalDescription();
          while (peer.iceGatheringState !== 'complete') {
            await new Promise((resolve) =>
              peer.addEventListener('icegatheringstatechange', resolve, { once: true }),
            );
          }
          const body = peer.localDescription?.sdp ?? '';
          const headers = { 'content-type': 'application/sdp' };
          const response = await fetch(endpoint, { method: 'POST', headers, body });
          await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() });
        }, `${pion.origin}/whep`);
        await untilPlaying(page);
      });
    } finally {
      await page.close();
      await pion.close();
    }
  });
});
