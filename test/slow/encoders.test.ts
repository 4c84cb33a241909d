import { readdirSync, readFileSync } from 'node:fs';

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { FFMPEG } from '../helpers/session-processes.js';
import { until } from '../helpers/patience.js';
import { product } from '../helpers/product.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

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

function parentOf(pid: number | string): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[1]);
}

/** The processes that encode for this one: children of its session processes. */
function encoders(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        const [program] = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
        return program === FFMPEG && parentOf(parentOf(pid)) === process.pid;
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

  const counting = watched.viewer.read<number[]>('readCounters(Infinity)');
  await until(() => expect(encoders()).not.toEqual([]));
  // It is killed as often as it comes back: what remains is the one in this process.
  const killing = setInterval(() => {
    for (const pid of encoders()) process.kill(pid, 'SIGKILL');
  }, 100);
  try {
    await watched.server.state(watched.session, isEncodedBy('libx264'));
  } finally {
    clearInterval(killing);
  }

  const replaced = await watched.viewer.read<any>('viewer.stats()');
  await watched.viewer.until(
    `viewer.stats().then(({ video }) => video.framesDecoded > ${Number(replaced.video.framesDecoded) + 30})`,
  );
  await watched.viewer.read('void (countersWanted = 0)');
  const counters = await counting;
  // What is there to see is a gap: pictures come again, in their order, and of the same source.
  expect(counters.length).toBeGreaterThan(15);
  expect(counters).toEqual([...counters].sort((a, b) => a - b));
  const after = await watched.viewer.read<any>('viewer.stats()');
  expect(after.video.ssrc).toBe(before.video.ssrc);
  expect((await watched.server.state(watched.session, () => true)).status).toBe('streaming');
  await until(() => expect(encoders()).toEqual([]));
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
    await server.router.sessions.get(session.id).reconfigure({ resolution: '1280x720', frameRate: 15 });
    await viewer.until('window.video.videoWidth === 1280 && window.video.videoHeight === 720');
    const state = await server.state(session, ({ metadata }) => metadata.video?.width === 1280);
    expect(state.metadata.video).toMatchObject({ codec: 'h264', width: 1280, height: 720 });
    // The page itself has the new size, and not a picture of the old one stretched.
    await viewer.until('readCode(0) !== null');
    // It goes on, and no faster than was asked for: the times of capture tell it, however late the pictures are shown.
    const timestamps = await viewer.read<number[]>('rtpTimestampsOf(25)');
    const capturedSeconds = (((timestamps.at(-1) ?? 0) - (timestamps[0] ?? 0)) >>> 0) / 90_000;
    expect((timestamps.length - 1) / capturedSeconds).toBeLessThan(18);
    const after = await viewer.read<any>('viewer.stats()');
    expect(after.video.ssrc).toBe(before.video.ssrc);
    await expect(server.router.sessions.get(session.id).reconfigure({ frameRate: 61 })).rejects.toMatchObject(
      {
        code: 'bad_request',
      },
    );
  },
);
