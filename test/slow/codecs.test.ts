import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { CONTAINERS } from '../../src/protocol/recordings.js';
import { expectBars } from '../helpers/colour-bars.js';
import { probe, timesOf } from '../helpers/recorded-media.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

/** The codecs that viewers get only when they or the session ask for them, with the encoder in software. */
const CODECS = [
  ['vp9', 'libvpx-vp9'],
  ['av1', 'libsvtav1'],
] as const;

let server: TestServer;
let browser: ViewerBrowser;
let directory: string;
let bars: CreatedSession;
const moving = new Map<string, CreatedSession>();
const tabs: ViewerTab[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'codecs-'));
  [server, browser] = await Promise.all([
    TestServer.start({ recording: { directory }, videoCodecs: ['h264', 'vp9', 'av1'] }),
    ViewerBrowser.launch(),
  ]);
  const started = CODECS.map(async ([codec]) => {
    moving.set(codec, await server.create(server.page('mode=counter'), { videoCodec: codec }));
  });
  [bars] = await Promise.all([server.create(server.page('mode=bars')), ...started]);
});

afterEach(async () => {
  await Promise.all(tabs.splice(0).map((tab) => tab.close()));
});

afterAll(async () => {
  await Promise.all([server.close(), browser.close()]);
  await rm(directory, { recursive: true });
});

async function open(): Promise<ViewerTab> {
  const tab = await browser.open(server);
  tabs.push(tab);
  return tab;
}

async function watch(session: CreatedSession, query: string): Promise<ViewerTab> {
  const tab = await open();
  await tab.connect(session, { query });
  await tab.firstPicture();
  return tab;
}

async function expectMoving(tab: ViewerTab): Promise<void> {
  const counters = await tab.read<number[]>('readCounters(20)');
  expect(counters).toEqual([...counters].sort((a, b) => a - b));
}

async function record(session: CreatedSession, method: string, path = ''): Promise<any> {
  return (await fetch(`${session.url}/recordings${path}`, { method })).json();
}

describe.each(CODECS)('%s', (codec, encoder) => {
  const mimeType = `video/${codec.toUpperCase()}`;

  test('brings the moving page over WebRTC, over the WebSocket and into a recording', async () => {
    const session = moving.get(codec);
    if (session === undefined) throw new Error('there is no session');
    const full = await watch(session, '');
    const { recordingId } = await record(session, 'POST');
    const { video, codecs } = await full.read<any>('viewer.stats()');
    expect([video.frameWidth, video.frameHeight]).toEqual([640, 360]);
    expect(codecs).toContain(mimeType);
    await expectMoving(full);
    const socket = await open();
    const options = `{ url: '/stream', streamId: '${session.id}', video, transport: 'websocket' }`;
    await socket.read(
      `import('/client/index.js').then(({ connectStream }) => void connectStream(${options}))`,
    );
    await socket.until('video.videoWidth === 640');
    await expectMoving(socket);
    const { metadata } = await server.state(session, ({ metadata }) => metadata.video?.rungs.length === 1);
    expect(metadata.video).toMatchObject({ codec, encoder });
    const info = await record(session, 'DELETE', `/${recordingId}`);
    expect(info).toMatchObject({ videoCodec: codec, format: CONTAINERS[codec], framesDropped: 0 });
    const [file = ''] = (await readdir(directory)).filter((name) => name.includes(recordingId));
    const recorded = await probe(join(directory, file));
    expect(recorded.codecs).toEqual([codec, 'opus']);
    expect(timesOf(recorded, 'video').length).toBeGreaterThan(20);
    expect(await server.delete(session)).toBe(204);
  });

  test('keeps the colours, for a viewer who asks for it', async () => {
    const viewer = await watch(bars, `videoCodec=${codec}`);
    expect((await viewer.read<any>('viewer.stats()')).codecs).toContain(mimeType);
    await expectBars(viewer);
  });
});
