import { readdirSync, readFileSync } from 'node:fs';

import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';

import { product } from '../helpers/product.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

const FFMPEG = '/usr/bin/ffmpeg';

let server: TestServer | undefined;
let browser: ViewerBrowser;
let viewer: ViewerTab | undefined;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
});

afterEach(async () => {
  await viewer?.close();
  await server?.close();
  viewer = undefined;
  server = undefined;
});

afterAll(() => browser.close());

async function watch(
  options: Parameters<typeof TestServer.start>[0],
  renderOptions: object,
): Promise<{ server: TestServer; session: CreatedSession; viewer: ViewerTab }> {
  server = await TestServer.start(options);
  const session = await server.create(server.page('mode=counter'), renderOptions);
  viewer = await browser.open(server);
  await viewer.connect(session);
  await viewer.firstPicture();
  return { server, session, viewer };
}

/** The processes that encode for this one. */
function encoders(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
        const [program] = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
        return Number(fields[1]) === process.pid && program === FFMPEG;
      } catch {
        return false;
      }
    })
    .map(Number);
}

test('when the encoder is killed another one goes on, and the viewer notices nothing', async () => {
  const watched = await watch({ ffmpegPath: FFMPEG, encoder: { h264: 'libx264' } }, { videoCodec: 'h264' });
  const isEncodedBy = (encoder: string) => (state: any) => state.metadata.video?.encoder === encoder;
  await watched.server.state(watched.session, isEncodedBy('ffmpeg:libx264'));
  const before = await watched.viewer.read<any>('viewer.stats()');

  const counting = watched.viewer.read<number[]>('readCounters(3000)');
  await vi.waitFor(() => expect(encoders()).not.toEqual([]));
  // It is killed as often as it comes back: what remains is the one in this process.
  const killing = setInterval(() => {
    for (const pid of encoders()) process.kill(pid, 'SIGKILL');
  }, 100);
  try {
    await watched.server.state(watched.session, isEncodedBy('libx264'));
  } finally {
    clearInterval(killing);
  }

  const counters = await counting;
  // The page counts to 60 a second. What is there to see is a gap, not a stop until somebody asks for a keyframe.
  const gaps = counters.slice(1).map((counter, index) => counter - (counters[index] ?? 0));
  expect(counters.length).toBeGreaterThan(15);
  expect(Math.max(...gaps), JSON.stringify(counters)).toBeLessThan(180);
  const after = await watched.viewer.read<any>('viewer.stats()');
  expect(after.video.ssrc).toBe(before.video.ssrc);
  expect(after.video.framesDecoded).toBeGreaterThan(Number(before.video.framesDecoded) + 30);
  expect((await watched.server.state(watched.session, () => true)).status).toBe('streaming');
  expect(encoders()).toEqual([]);
});

test('an encoder or a program that does not work is refused at construction', () => {
  const refusal = (options: object): string => {
    try {
      void product.createStreamKitRouter(options).close();
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
    return 'accepted';
  };
  expect(refusal({ ffmpegPath: '/nowhere/ffmpeg' })).toBe(
    'Expected an executable file for ffmpegPath but received /nowhere/ffmpeg',
  );
  // This FFmpeg has no such encoder.
  expect(refusal({ ffmpegPath: FFMPEG, encoder: { h264: 'h264_nowhere' } })).toMatch(
    /^Expected an encoder that works on this machine for encoder but received h264_nowhere: .+/,
  );
});

test.each(['tab', 'screencast'] as const)(
  'a session goes on in another size and rate, captured by %s',
  async (capture) => {
    const { server, session, viewer } = await watch(
      { capture },
      { videoCodec: 'h264', resolution: '640x360' },
    );
    const before = await viewer.read<any>('viewer.stats()');
    await server.router.reconfigureSession(session.id, { resolution: '1280x720', frameRate: 15 });
    await viewer.until('window.video.videoWidth === 1280 && window.video.videoHeight === 720');
    const state = await server.state(session, ({ metadata }) => metadata.video?.width === 1280);
    expect(state.metadata.video).toMatchObject({ codec: 'h264', width: 1280, height: 720 });
    // The page itself has the new size, and not a picture of the old one stretched.
    expect(await viewer.read('readCounters(200)')).not.toEqual([]);
    const from = await viewer.read<any>('viewer.stats()');
    await viewer.read('new Promise((resolve) => setTimeout(resolve, 2000))');
    const after = await viewer.read<any>('viewer.stats()');
    const frameRate = (after.video.framesDecoded - from.video.framesDecoded) / 2;
    // It goes on, and no faster than was asked for.
    expect(frameRate).toBeGreaterThan(2);
    expect(frameRate).toBeLessThan(18);
    expect(after.video.ssrc).toBe(before.video.ssrc);
    await expect(server.router.reconfigureSession(session.id, { frameRate: 61 })).rejects.toMatchObject({
      code: 'bad_request',
    });
  },
);
