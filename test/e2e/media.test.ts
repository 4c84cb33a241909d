import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

const BARS = [
  [255, 255, 255],
  [255, 255, 0],
  [0, 255, 255],
  [0, 255, 0],
  [255, 0, 255],
  [255, 0, 0],
  [0, 0, 255],
  [128, 128, 128],
] as const;

const CAPTURES = ['tab', 'screencast'] as const;
let browser: ViewerBrowser;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
});

afterAll(() => browser.close());

describe.each(CAPTURES)('captured by %s', (capture) => {
  let server: TestServer;
  let viewer: ViewerTab;
  /** Of the test before; the next one goes on with it if it asks for the same. */
  let live: { asked: string; session: CreatedSession } | undefined;

  beforeAll(async () => {
    server = await TestServer.start({ capture });
  });

  afterEach(() => viewer.close());

  afterAll(async () => {
    await leave();
    await server.close();
  });

  async function leave(): Promise<void> {
    if (live !== undefined) expect(await server.delete(live.session)).toBe(204);
    live = undefined;
  }

  async function watch(
    query: string,
    renderOptions: object,
    viewerOptions: { query?: string } = {},
  ): Promise<CreatedSession> {
    const asked = JSON.stringify([query, renderOptions]);
    if (live?.asked !== asked) {
      await leave();
      live = { asked, session: await server.create(server.page(query), renderOptions) };
    }
    viewer = await browser.open(server);
    await viewer.connect(live.session, viewerOptions);
    await viewer.firstPicture();
    return live.session;
  }

  test.each(['vp8', 'h264'] as const)('the page moves in the viewer as %s', async (videoCodec) => {
    const session = await watch('mode=counter&tone=440', { videoCodec });
    const counters = await viewer.read<number[]>('readCounters(2000, 25)');
    expect(counters.length).toBeGreaterThan(10);
    // Each picture is newer than the one before, and all come from the page as it is now.
    expect(counters).toEqual([...counters].sort((a, b) => a - b));
    const { video, codecs } = await viewer.read<any>('viewer.stats()');
    expect(codecs).toContain(`video/${videoCodec.toUpperCase()}`);
    expect([video.frameWidth, video.frameHeight]).toEqual([640, 360]);
    const state = await server.state(session, ({ metadata }) => metadata.video?.frameRate > 0);
    expect(state.metadata).toMatchObject({
      capture,
      viewers: 1,
      video: {
        codec: videoCodec,
        encoder: videoCodec === 'h264' ? 'libx264' : 'libvpx',
        width: 640,
        height: 360,
      },
    });
    expect(state.status).toBe('streaming');
  });

  test('a tone of the page is heard at its pitch', async () => {
    await watch('mode=counter&tone=440', { videoCodec: 'h264' });
    const { hz, db } = await viewer.read<{ hz: number; db: number }>('readTone()');
    expect(hz).toBeGreaterThan(437);
    expect(hz).toBeLessThan(443);
    expect(db).toBeGreaterThan(-40);
    const { audio } = await viewer.read<any>('viewer.stats()');
    expect(audio.concealedSamples / audio.totalSamplesReceived).toBeLessThan(0.2);
  });

  test.each(['h264', 'vp8'] as const)('colours survive %s', async (videoCodec) => {
    await watch('mode=bars', {}, { query: `videoCodec=${videoCodec}` });
    // A still page is refined for a while.
    await viewer.until('viewer.stats().then(({ video }) => video.framesDecoded >= 6)');
    const bars = await viewer.read<number[][]>('readBars(8)');
    const { codecs } = await viewer.read<any>('viewer.stats()');
    expect(codecs).toContain(`video/${videoCodec.toUpperCase()}`);
    const errors = bars.flatMap((bar, index) =>
      bar.map((value, channel) => Math.abs(value - (BARS[index]?.[channel] ?? Infinity))),
    );
    expect(Math.max(...errors), JSON.stringify(bars)).toBeLessThanOrEqual(6);
  });
});

// Most of its time is waiting, which both captures may do at once.
test('flash and beep stay together', async () => {
  const skews = CAPTURES.map(async (capture) => {
    const server = await TestServer.start({ capture });
    try {
      const session = await server.create(server.page('mode=flash'));
      const viewer = await browser.open(server);
      await viewer.connect(session);
      // The receiver brings the two together step by step, one a second at most, as it learns from sender
      // reports (libwebrtc, StreamSynchronization), and rests when it believes them within 30 ms.
      const settling = await viewer.read<number[]>('readSkewsUntilWithin(40, 36_000)');
      await viewer.close();
      return { capture, settling };
    } finally {
      await server.close();
    }
  });
  for (const { capture, settling } of await Promise.all(skews)) {
    const message = `by ${capture}, beep after flash by ${settling.join(', ')} ms`;
    expect(settling.length, message).toBeGreaterThanOrEqual(6);
    for (const three of [settling.slice(-6, -3), settling.slice(-3)]) {
      expect(Math.abs(three.sort((a, b) => a - b)[1] ?? Infinity), message).toBeLessThan(40);
    }
  }
});
