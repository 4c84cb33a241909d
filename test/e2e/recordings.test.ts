import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { PATIENCE_MS } from '../helpers/patience.js';
import { root } from '../helpers/product.js';
import { probe, skewsOf, timesOf } from '../helpers/recorded-media.js';
import { browsersIn, profilesOf, ServerProcess } from '../helpers/server-process.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

const directory = mkdtempSync(join(tmpdir(), 'recordings-'));

afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function ask(url: string, method = 'GET', body?: unknown): Promise<any> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { headers, body: JSON.stringify(body) }),
  });
  const json: unknown = response.status === 204 ? undefined : await response.json();
  return { status: response.status, json };
}

/** Polls a recording until `accept` likes it. */
async function recordingThat(url: string, accept: (info: any) => boolean): Promise<any> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const { json } = await ask(url);
    if (accept(json)) return json;
    if (performance.now() > end) throw new Error(`the recording stayed ${JSON.stringify(json)}`);
    await setTimeout(50);
  }
}

/** Between one time and the next, ms. */
function gapsOf(times: readonly number[]): number[] {
  return times.slice(1).map((time, index) => time - (times[index] ?? 0));
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

let browser: ViewerBrowser;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
});

afterAll(() => browser.close());

describe('a session with nobody watching', () => {
  let server: TestServer;
  let session: CreatedSession;
  /** Recorded meanwhile: it costs next to nothing. */
  let still: { session: CreatedSession; url: string };

  beforeAll(async () => {
    server = await TestServer.start({ recording: { directory, keyframeIntervalMs: 1000 }, pauseGraceMs: 0 });
    [session, still] = await Promise.all([live('mode=flash'), recordedStill()]);
  });

  afterAll(async () => {
    await server.close();
    if (readdirSync(directory).length > 0) throw new Error('a test left files');
  });

  async function live(query: string): Promise<CreatedSession> {
    const created = await server.create(server.page(query));
    await server.state(created, ({ status }) => status === 'connecting');
    return created;
  }

  async function recordedStill(): Promise<{ session: CreatedSession; url: string }> {
    const created = await live('mode=static');
    const { json } = await ask(`${created.url}/recordings`, 'POST');
    return { session: created, url: `${created.url}/recordings/${json.recordingId}` };
  }

  function fileOf(url: string): string {
    const id = url.slice(url.lastIndexOf('/') + 1);
    return join(directory, readdirSync(directory).find((name) => name.includes(id)) ?? '');
  }

  test('is recorded to MP4 and to WebM that players read, with sound and picture together', async () => {
    const urls = await Promise.all(
      (['mp4', 'webm'] as const).map(async (format) => {
        const { status, json } = await ask(`${session.url}/recordings`, 'POST', { format });
        expect([status, json.status, json.format]).toEqual([201, 'starting', format]);
        return `${session.url}/recordings/${json.recordingId}`;
      }),
    );
    await Promise.all(urls.map((url) => recordingThat(url, ({ durationMs }) => durationMs > 4000)));
    expect((await ask(`${urls[0]}/file`)).json.error.code).toBe('conflict');
    const infos = await Promise.all(urls.map(async (url) => (await ask(url, 'DELETE')).json));
    expect((await server.state(session, () => true)).metadata.recordings).toMatchObject([
      { status: 'finished' },
      { status: 'finished' },
    ]);

    for (const [index, info] of infos.entries()) {
      const path = fileOf(urls[index] ?? '');
      expect(info).toMatchObject({ status: 'finished', framesDropped: 0, bytes: statSync(path).size });
      const file = await probe(path);
      expect(file.codecs).toEqual([index === 0 ? 'h264' : 'vp8', 'opus']);
      expect([file.width, file.height]).toEqual([640, 360]);
      expect(Math.abs(file.durationMs - info.durationMs)).toBeLessThan(40);
      const pictures = timesOf(file, 'video');
      const sounds = timesOf(file, 'audio');
      expect(pictures[0]).toBe(0);
      // What a slow machine makes fewer of lies further apart.
      const longestGapMs = Math.max(...gapsOf(pictures));
      for (const times of [pictures, sounds]) {
        expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
        expect(Math.abs((times.at(-1) ?? 0) - info.durationMs)).toBeLessThan(300 + longestGapMs);
      }
      // WebM demands one order for all tracks.
      if (index === 1) {
        expect(file.packets.map(({ timeMs }) => timeMs)).toEqual(
          file.packets.map(({ timeMs }) => timeMs).sort((a, b) => a - b),
        );
      }
      // A tab has no sound before its page has made some; the file has, since a hole stops some players.
      expect(Math.max(sounds[0] ?? Infinity, ...gapsOf(sounds))).toBeLessThan(45);
      const keyframes = file.packets.filter(({ kind, keyframe }) => kind === 'video' && keyframe);
      const keyframeTimes = [...keyframes.map(({ timeMs }) => timeMs), info.durationMs];
      expect(Math.max(...gapsOf(keyframeTimes))).toBeLessThan(1500 + 2 * longestGapMs);
      const skews = await skewsOf(path);
      expect(skews.length).toBeGreaterThanOrEqual(3);
      expect(Math.abs(median(skews)), `beep after flash by ${skews.join(', ')} ms`).toBeLessThan(40);
    }

    const whole = Buffer.from(await (await fetch(`${urls[0]}/file`)).arrayBuffer());
    const part = await fetch(`${urls[0]}/file`, { headers: { range: 'bytes=100-199' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 100-199/${whole.length}`]);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(whole.subarray(100, 200));

    const player = async (expression: string): Promise<unknown> => {
      const page = await browser.browser.newPage();
      await page.goto(`${server.origin}/fixtures/player.html`);
      const played: unknown = await page.evaluate(expression);
      await page.close();
      return played;
    };
    // Not WebM through Media Source: it has no lengths of pictures, and Chromium takes each pause of the page for a hole.
    const [buffered, ...played] = await Promise.all([
      player(
        `playThroughMediaSource(${JSON.stringify(`${urls[0]}/file`)}, 'video/mp4; codecs="avc1.42c01e, opus"')`,
      ),
      ...urls.map((url) => player(`play(${JSON.stringify(`${url}/file`)})`)),
    ]);
    expect(buffered).toMatchObject({ width: 640, height: 360, ranges: 1 });
    for (const one of played) {
      expect(one).toMatchObject({ width: 640, height: 360, ended: true, hasAudio: true });
    }
    for (const url of urls) {
      expect((await ask(`${url}/file`, 'DELETE')).status).toBe(204);
      expect((await ask(url)).json.error.code).toBe('no_such_recording');
    }
  });

  test('of a still page has a picture for all of its time, and ends with the session', async () => {
    const { url } = still;
    await recordingThat(url, ({ durationMs }) => durationMs > 3000);
    await server.delete(still.session);
    const info = (await ask(url)).json;
    expect(info.status).toBe('finished');
    const file = await probe(fileOf(url));
    const pictures = timesOf(file, 'video');
    // The first may be older than the recording.
    const gaps = gapsOf(pictures.slice(1));
    expect(median(gaps)).toBeLessThan(1000);
    // It is recorded for longer than this, and a machine stands still for less.
    expect(Math.max(...gaps)).toBeLessThan(2900);
    expect(info.durationMs).toBeGreaterThan(3000);
    expect((await ask(`${url}/file`, 'DELETE')).status).toBe(204);
  });
});

test('a live playlist is played by a browser, slides, and goes with its session', async () => {
  const server = await TestServer.start({ hls: { segmentMs: 1000, windowSegments: 3 }, pauseGraceMs: 0 });
  const scratch = (): string[] =>
    readdirSync('/dev/shm').filter((name) => name.startsWith('stream-kit-hls-'));
  try {
    const session = await server.create(server.page('mode=flash'));
    await server.state(session, ({ status }) => status === 'connecting');
    const page = await browser.browser.newPage();
    await page.goto(`${server.origin}/fixtures/player.html`);
    const url = `${session.url}/hls/index.m3u8`;
    const played: any = await page.evaluate(`playLive(${JSON.stringify(url)}, 4)`);
    expect(played).toMatchObject({ width: 640, hasAudio: true, ranges: 1 });
    const segments = played.playlist.match(/^segment-\d+\.m4s$/gm);
    expect(segments).toHaveLength(3);
    expect(played.playlist).toContain(`#EXT-X-MEDIA-SEQUENCE:${/\d+/.exec(segments[0])?.[0]}\n`);
    const target = Number(/TARGETDURATION:(\d+)/.exec(played.playlist)?.[1]);
    const lengths = [...played.playlist.matchAll(/#EXTINF:([\d.]+),/g)].map(([, length]) => Number(length));
    expect(Math.round(Math.max(...lengths))).toBeLessThanOrEqual(target);
    expect((await ask(`${session.url}/hls/segment-999.m4s`)).json.error.code).toBe('not_found');
    expect((await ask(`${session.url}/hls/..%2findex.m3u8`)).json.error.code).toBe('not_found');
    expect(scratch()).toEqual([]);
    await server.delete(session);
    expect((await ask(url)).json.error.code).toBe('no_such_session');
  } finally {
    await server.close();
  }
});

test('a full disk ends the recording, and not the session', async (context) => {
  const small = mkdtempSync(join(tmpdir(), 'small-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', small], { stdio: 'ignore' });
  } catch {
    rmSync(small, { recursive: true });
    context.skip('only root may mount');
  }
  const server = await TestServer.start({ recording: { directory: small } });
  try {
    const session = await server.create(server.page('mode=counter'));
    await server.state(session, ({ status }) => status === 'connecting');
    const { json } = await ask(`${session.url}/recordings`, 'POST', { format: 'mp4' });
    const url = `${session.url}/recordings/${json.recordingId}`;
    const info = await recordingThat(url, ({ status }) => status === 'failed');
    expect(info.error).toEqual({ code: 'disk_full', message: 'The disk for recordings is full' });
    const state = await server.state(session, () => true);
    expect(state.status).toBe('connecting');
    expect(state.metadata.recordings[0]).toMatchObject({ status: 'failed', error: info.error.message });
    // What was written before is whole.
    const path = join(small, readdirSync(small)[0] ?? '');
    expect(statSync(path).size).toBe(info.bytes);
    const pictures = timesOf(await probe(path), 'video');
    expect((pictures.at(-1) ?? 0) + 200 + Math.max(...gapsOf(pictures))).toBeGreaterThan(
      info.durationMs - 600,
    );
    expect((await fetch(`${session.url}/snapshot`)).status).toBe(200);
    expect(server.errors).toEqual([]);
  } finally {
    await server.close();
    execFileSync('umount', [small]);
    rmSync(small, { recursive: true });
  }
});

test('a server that is killed leaves all but the last second readable', async () => {
  const home = mkdtempSync(join(tmpdir(), 'killed-'));
  const server = await ServerProcess.start(join(root, 'test', 'fixtures', 'recording-server.mjs'), home);
  const profiles = profilesOf(server.pid);
  try {
    const created = await ask(`${server.origin}/stream`, 'POST', {
      targetUrl: `${server.origin}/fixtures/page.html?mode=counter`,
    });
    const session = `${server.origin}/stream/${created.json.streamId}`;
    await recordingThat(session, ({ status }) => status === 'connecting');
    profiles.push(...profilesOf(server.pid));
    const started = await Promise.all(
      ['mp4', 'webm'].map((format) => ask(`${session}/recordings`, 'POST', { format })),
    );
    // As far as the server says that it has recorded: how far that is behind the page is up to the machine.
    const infos = await Promise.all(
      started.map(({ json }) =>
        recordingThat(`${session}/recordings/${json.recordingId}`, ({ durationMs }) => durationMs > 2500),
      ),
    );
    await server.end('SIGKILL');
    for (const json of infos) {
      const name = readdirSync(join(home, 'recordings')).find((one) => one.includes(json.recordingId)) ?? '';
      const path = join(home, 'recordings', name);
      const file = await probe(path);
      const pictures = timesOf(file, 'video');
      const lostMs = json.durationMs - (pictures.at(-1) ?? 0) - Math.max(...gapsOf(pictures));
      expect(lostMs, `${name} ends before what was recorded by`).toBeLessThan(1000);
      expect(json.durationMs - (timesOf(file, 'audio').at(-1) ?? 0)).toBeLessThan(1000);
    }
  } finally {
    await server.end('SIGKILL');
    await expect.poll(() => browsersIn(profiles)).toEqual([]);
    for (const profile of profiles) rmSync(profile, { recursive: true, force: true });
    rmSync(home, { recursive: true });
  }
});
