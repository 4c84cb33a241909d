import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';

import {
  KIND_AUDIO,
  KIND_KEYFRAME,
  PAGE_HEADER_BYTES,
  SEQUENCE_BYTES,
} from '../../src/protocol/chunk-format.js';
import { expectColours } from '../helpers/colour-bars.js';
import { GStreamerPlayer, hasGStreamer } from '../helpers/gstreamer-player.js';
import { until } from '../helpers/patience.js';
import { probe, timesOf } from '../helpers/recorded-media.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';
import { PictureDecoder } from '../integration/picture-source.js';

const run = promisify(execFile);

let server: TestServer;
let directory: string;
let session: CreatedSession | undefined;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'h265-'));
  server = await TestServer.start({ recording: { directory }, videoCodecs: ['h264', 'h265'] });
});

afterEach(async () => {
  if (session !== undefined) await server.delete(session);
  session = undefined;
});

afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

/** Red, green and blue in the middle of eight bars of one picture of a file. */
async function barsOf(path: string, picture: number): Promise<number[][]> {
  const { stdout } = await run(
    'ffmpeg',
    [
      ...['-v', 'error', '-i', path, '-vf', `select=eq(n\\,${picture}),format=rgb24`],
      ...['-frames:v', '1', '-f', 'rawvideo', '-'],
    ],
    { encoding: 'buffer', maxBuffer: 2 ** 20 },
  );
  expect(stdout.byteLength).toBe(640 * 360 * 3);
  return Array.from({ length: 8 }, (_, bar) => {
    const start = (180 * 640 + bar * 80 + 40) * 3;
    return [...stdout.subarray(start, start + 3)];
  });
}

describe('a session of H.265', () => {
  let url: string;

  beforeEach(async () => {
    session = await server.create(server.page('mode=bars'), { videoCodec: 'h265' });
    ({ url } = session);
    await server.state(session, ({ status }) => status === 'connecting');
  });

  test.skipIf(!hasGStreamer)('shows GStreamer its colours over WHEP', async () => {
    const player = new GStreamerPlayer(`${url}/whep`, 'H265', 8);
    try {
      await until(() => {
        expect(player.count('picture 640 360')).toBeGreaterThan(10);
        expectColours(player.bars());
      });
      const { metadata }: any = await (await fetch(url)).json();
      expect(metadata.video).toMatchObject({ codec: 'h265', encoder: 'libx265' });
    } finally {
      await player.close();
    }
  });

  test('is recorded to an MP4 of hvc1, which decodes in its colours', async () => {
    const recordings = `${url}/recordings`;
    const ask = async (method: string, path = ''): Promise<any> =>
      (await fetch(`${recordings}${path}`, { method })).json();
    const { recordingId } = await ask('POST');
    await until(async () => {
      expect((await ask('GET', `/${recordingId}`)).durationMs).toBeGreaterThan(2000);
    });
    expect(await ask('DELETE', `/${recordingId}`)).toMatchObject({
      videoCodec: 'h265',
      format: 'mp4',
      framesDropped: 0,
    });
    const [file = ''] = (await readdir(directory)).filter((name) => name.includes(recordingId));
    const path = join(directory, file);
    const recorded = await probe(path);
    expect(recorded.codecs).toEqual(['hevc', 'opus']);
    const { stdout } = await run('ffprobe', [
      ...['-v', 'error', '-select_streams', 'v', '-of', 'csv=p=0'],
      ...['-show_entries', 'stream=codec_tag_string', path],
    ]);
    expect(stdout.trim()).toBe('hvc1');
    expectColours(await barsOf(path, timesOf(recorded, 'video').length - 1));
  });

  test('comes over the WebSocket from a keyframe on, as WebCodecs takes it', async () => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/stream`);
    const decoder = new PictureDecoder('h265');
    const kinds: number[] = [];
    const sizes = new Set<string>();
    socket.on('open', () => socket.send(JSON.stringify({ type: 'resume', lastSeq: null })));
    socket.on('message', (data: Buffer, isBinary) => {
      const kind = data[SEQUENCE_BYTES] ?? 0;
      if (!isBinary || kind === KIND_AUDIO) return;
      kinds.push(kind);
      const picture = decoder.decode(data.subarray(PAGE_HEADER_BYTES));
      sizes.add(`${picture?.width}x${picture?.height}`);
    });
    try {
      await until(() => expect(kinds.length).toBeGreaterThan(5));
      expect(kinds[0]).toBe(KIND_KEYFRAME);
      expect([...sizes]).toEqual(['640x360']);
    } finally {
      socket.close();
      decoder.close();
    }
  });
});

describe('Chromium, which decodes no H.265 here,', () => {
  let browser: ViewerBrowser;

  beforeAll(async () => {
    browser = await ViewerBrowser.launch();
  });
  afterAll(() => browser.close());

  test('is told so in a session of H.265', async () => {
    session = await server.create(server.page('mode=counter'), { videoCodec: 'h265' });
    const tab = await browser.open(server);
    const options = `{ url: '/stream', streamId: '${session.id}', video, transport: 'webrtc' }`;
    const failure = `import('/client/index.js').then(({ connectStream }) => new Promise((resolve) => {
      const onError = ({ code, message }) => resolve([code, message]);
      connectStream({ ...${options}, onError });
    }))`;
    expect(await tab.read(failure)).toEqual([
      'no_codec',
      'This browser decodes none of the offered codecs (H265)',
    ]);
    await tab.close();
  });

  test.skipIf(!hasGStreamer)('gets H.264 where a player beside it gets H.265', async () => {
    const session = await server.create(server.page('mode=counter'));
    const tab = await browser.open(server);
    await tab.connect(session);
    await tab.firstPicture();
    expect((await tab.read<any>('viewer.stats()')).codecs).toContain('video/H264');
    const player = new GStreamerPlayer(`${session.url}/whep`, 'H265');
    try {
      await until(() => expect(player.count('picture 640 360')).toBeGreaterThan(10));
    } finally {
      await player.close();
    }
    await tab.close();
  });
});
