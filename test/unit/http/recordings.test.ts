import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { HlsReport, HlsThreadData } from '../../../src/recording/hls-messages.js';
import type { RecordingReport, RecordingThreadData } from '../../../src/recording/recording-messages.js';
import type { StreamKitOptions } from '../../../src/options/stream-kit-options.js';
import { samplesOf } from '../../helpers/exposition.js';
import { fakeMuxThreads } from '../../helpers/recording-fakes.js';
import { ask, postJson, serveRouter, type RouterServer } from '../../helpers/router-server.js';
import { settle } from '../../helpers/virtual-clock.js';

const MIB = 1024 * 1024;
const CONTENT = Buffer.from('0123456789');
const FILE = { width: 64, height: 64, bytes: CONTENT.length, durationMs: 1000 };

let directory: string;
let server: RouterServer;
let threads = fakeMuxThreads<RecordingThreadData, RecordingReport>(() => undefined);
let hlsThreads = fakeMuxThreads<HlsThreadData, HlsReport>(() => undefined);

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'store-'));
  threads = fakeMuxThreads((thread) => {
    writeFileSync(`${thread.data.pathPrefix}1.${thread.data.codec === 'h264' ? 'mp4' : 'webm'}`, CONTENT);
    thread.report({ type: 'ended', files: [FILE], error: undefined, detail: undefined });
  });
  hlsThreads = fakeMuxThreads((thread) => thread.report({ type: 'ended', detail: undefined }));
});

afterEach(async () => {
  await server.close();
  expect(server.parts.clock.pendingTimers).toBe(0);
  for (const { stopped } of [...threads.opened, ...hlsThreads.opened]) expect(stopped).toBe(true);
  rmSync(directory, { recursive: true });
});

/** A server with one live session; gives the session's URL. */
async function serve(
  recording: object = {},
  options: StreamKitOptions = {},
  renderOptions: object = {},
): Promise<string> {
  server = await serveRouter({ recording: { directory, ...recording }, ...options }, undefined, {
    openRecordingThread: threads.open,
    openHlsThread: hlsThreads.open,
  });
  return createSession(renderOptions);
}

async function createSession(renderOptions: object = {}): Promise<string> {
  const { json } = await postJson(server.url, { targetUrl: 'https://game.example.org/', renderOptions });
  server.parts.launches.at(-1)?.succeed();
  await settle();
  return `${server.url}/${json.streamId}`;
}

async function record(session: string, body: object = {}): Promise<string> {
  const { status, json, headers } = await postJson(`${session}/recordings`, body);
  expect([status, json]).toMatchObject([
    201,
    { status: 'starting', streamId: new URL(session).pathname.slice(1) },
  ]);
  expect(headers.get('location')).toBe(`${new URL(session).pathname}/recordings/${json.recordingId}`);
  return `${session}/recordings/${json.recordingId}`;
}

async function codeOf(
  url: string,
  method = 'GET',
  headers: Record<string, string> = {},
): Promise<[number, string]> {
  const { status, json } = await ask(url, { method, headers });
  return [status, json?.error?.code];
}

function readlinkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // Of a descriptor that is closed meanwhile.
    return undefined;
  }
}

/** As a host passes a request of this machine on. */
const local = { remoteAddress: '127.0.0.1' };

describe('a recording', () => {
  it('keeps the encoders running with nobody watching, from a keyframe on, and lets them rest after it', async () => {
    const session = await serve({}, { pauseGraceMs: 0 });
    await server.parts.clock.advance(1);
    expect(server.parts.events.splice(0)).toContain('capture pause');
    const url = await record(session, { format: 'webm' });
    await settle();
    expect(server.parts.events.splice(0).sort()).toEqual([
      'audio start',
      'capture resume',
      expect.stringMatching(/^video start vp8 /),
    ]);
    // Longer than a session with nobody watching may live.
    await server.parts.clock.advance(400_000);
    expect((await ask(session)).json.status).toBe('connecting');
    expect((await ask(url, { method: 'DELETE' })).json).toMatchObject({ status: 'finished', format: 'webm' });
    server.parts.events.length = 0;
    await server.parts.clock.advance(1);
    expect(server.parts.events.sort()).toEqual(['audio stop', 'capture pause', 'video stop vp8']);
  });

  it('takes the codec that is encoded already, where none is asked for', async () => {
    const session = await serve();
    await record(session, { format: 'webm' });
    server.parts.events.length = 0;
    const { json } = await postJson(`${session}/recordings`, {});
    expect(json).toMatchObject({ format: 'webm', videoCodec: 'vp8', audioCodec: 'opus' });
    // It begins with a keyframe, which has to be asked for.
    expect(server.parts.events).toEqual(['keyframe vp8']);
  });

  it('shows in the list, in the state and on the router object, and nowhere with a path', async () => {
    const session = await serve();
    const url = await record(session);
    threads.opened[0]?.report({ type: 'progress', takenBytes: 0, files: [FILE] });
    const one = await ask(url);
    expect(one.json).toMatchObject({
      status: 'recording',
      bytes: FILE.bytes,
      durationMs: 1000,
      files: [FILE],
    });
    expect((await ask(`${session}/recordings`)).json).toEqual({ recordings: [one.json] });
    const state = (await ask(session)).json;
    const { recordingId, startTime } = one.json;
    expect(state.metadata.recordings).toEqual([
      { recordingId, startTime, status: 'recording', format: 'mp4' },
    ]);
    expect(JSON.stringify([one.json, state])).not.toContain(directory);
    const [onRouter] = server.router.recordings(one.json.streamId);
    expect(onRouter?.paths).toEqual([join(directory, `${one.json.streamId}_${recordingId}_1.mp4`)]);
  });

  it('is stopped once, and stopped again without harm', async () => {
    const session = await serve();
    const url = await record(session);
    for (let time = 0; time < 2; time++) {
      const { status, json } = await ask(url, { method: 'DELETE' });
      expect([status, json.status]).toEqual([200, 'finished']);
    }
    expect(readdirSync(directory)).toHaveLength(1);
  });

  it('can be fetched when it is whole, also in parts, also when its session is gone', async () => {
    const session = await serve();
    const url = await record(session);
    expect(await codeOf(`${url}/file`)).toEqual([409, 'conflict']);
    expect(await codeOf(`${url}/file`, 'DELETE')).toEqual([409, 'conflict']);
    expect((await fetch(session, { method: 'DELETE' })).status).toBe(204);
    expect((await ask(url)).json.status).toBe('finished');
    const whole = await fetch(`${url}/file`);
    expect(await whole.text()).toBe('0123456789');
    expect(whole.headers.get('content-type')).toBe('video/mp4');
    expect(whole.headers.get('accept-ranges')).toBe('bytes');
    const head = await fetch(`${url}/file`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '10']);
    for (const [range, status, text] of [
      ['bytes=2-4', 206, '234'],
      ['bytes=7-', 206, '789'],
      ['bytes=-2', 206, '89'],
      ['bytes=5-999', 206, '56789'],
      ['bytes=-999', 206, '0123456789'],
      ['bytes=1-2,4-5', 200, '0123456789'],
      ['lines=1-2', 200, '0123456789'],
      ['bytes=4-2', 200, '0123456789'],
    ] as const) {
      const part = await fetch(`${url}/file`, { headers: { range } });
      expect([range, part.status, await part.text()]).toEqual([range, status, text]);
    }
    for (const range of ['bytes=10-', 'bytes=-0']) {
      expect(await codeOf(`${url}/file`, 'GET', { range })).toEqual([416, 'bad_request']);
    }
    expect(await codeOf(`${url}/file?part=2`)).toEqual([404, 'no_such_recording']);
    expect(await codeOf(`${url}/file?part=0`)).toEqual([400, 'bad_request']);
    expect((await fetch(`${url}/file`, { method: 'DELETE' })).status).toBe(204);
    expect(readdirSync(directory)).toEqual([]);
    expect(await codeOf(url)).toEqual([404, 'no_such_recording']);
  });

  it.each(['in the middle', 'before it began'])(
    'leaves no file open when it is given up %s',
    async (when) => {
      const session = await serve();
      const url = await record(session);
      await ask(url, { method: 'DELETE' });
      const [name = ''] = readdirSync(directory);
      writeFileSync(join(directory, name), Buffer.alloc(MIB));
      const isOpen = (): boolean =>
        readdirSync('/proc/self/fd').some(
          (fd) => readlinkOf(`/proc/self/fd/${fd}`) === realpathSync(join(directory, name)),
        );
      const abort = new AbortController();
      if (when === 'before it began') abort.abort();
      const { body } = await server.router.fetch(new Request(`${url}/file`, { signal: abort.signal }), local);
      const reader = (body as ReadableStream<Uint8Array>).getReader();
      if (when === 'in the middle') {
        expect((await reader.read()).done).toBe(false);
        expect(isOpen()).toBe(true);
        // The host stops reading, and says nothing.
        abort.abort();
      }
      while (isOpen()) await settle();
      await expect(
        (async () => {
          while (!(await reader.read()).done);
        })(),
      ).rejects.toThrow('aborted');
    },
  );

  it('that ended by itself says why, and the session goes on', async () => {
    const session = await serve();
    const url = await record(session);
    const error = { code: 'disk_full', message: 'The disk for recordings is full' } as const;
    threads.opened[0]?.report({ type: 'ended', files: [FILE], error, detail: `no room in ${directory}` });
    expect((await ask(url)).json).toMatchObject({ status: 'failed', error, files: [FILE] });
    const state = (await ask(session)).json;
    expect(state.status).toBe('connecting');
    expect(state.metadata.recordings).toMatchObject([{ status: 'failed', error: error.message }]);
    expect(JSON.stringify(state)).not.toContain(directory);
    const lost = await record(session);
    threads.opened[1]?.leave();
    expect((await ask(lost)).json).toMatchObject({ status: 'failed', error: { code: 'recording_failed' } });
  });
});

describe('recordings', () => {
  it('are as many as may run, as long, and as large', async () => {
    const session = await serve({
      maxRecordings: 1,
      maxTotalBytes: 3 * MIB,
      maxBytes: 2 * MIB,
      maxDurationMs: 5000,
    });
    const url = await record(session, { maxBytes: 4 * MIB, maxDurationMs: 3_600_000 });
    expect(threads.opened[0]?.data.maxBytes).toBe(2 * MIB);
    const refused = await postJson(`${session}/recordings`, {});
    expect([refused.status, refused.json.error.code]).toEqual([503, 'at_capacity']);
    expect(refused.headers.get('retry-after')).toBe('10');
    await server.parts.clock.advance(5000);
    expect((await ask(url)).json).toMatchObject({
      status: 'finished',
      error: { code: 'limit_reached', message: 'The recording reached its limit of 5000 ms' },
    });
    // What is in the directory from an earlier run counts.
    const [name = ''] = readdirSync(directory);
    writeFileSync(join(directory, name.replace('_1', '_2')), Buffer.alloc(1.5 * MIB));
    writeFileSync(join(directory, 'not-ours.mp4'), Buffer.alloc(2 * MIB));
    await record(session, { maxBytes: 2 * MIB });
    expect(threads.opened[1]?.data.maxBytes).toBe(1.5 * MIB - CONTENT.length);
    threads.opened[1]?.report({ type: 'progress', takenBytes: 0, files: [{ ...FILE, bytes: 1.5 * MIB }] });
    const [, second] = (await ask(`${session}/recordings`)).json.recordings;
    expect(second.error).toEqual({ code: 'limit_reached', message: 'The room for recordings is used up' });
    writeFileSync(join(directory, name.replace('_1', '_3')), Buffer.alloc(MIB));
    expect((await postJson(`${session}/recordings`, {})).json.error.message).toBe(
      'The room for recordings is used up',
    );
    expect(existsSync(join(directory, 'not-ours.mp4'))).toBe(true);
  });

  it.each([
    [{ format: 'avi' }, 400, 'bad_request'],
    [{ maxBytes: 10 }, 400, 'bad_request'],
    [{ maxDurationMs: '1' }, 400, 'bad_request'],
    [[], 400, 'bad_request'],
    [{ format: 'webm' }, 409, 'conflict'],
  ])('of %j are refused', async (body, status, code) => {
    const session = await serve({}, {}, { videoCodec: 'h264' });
    const { json, status: given } = await postJson(`${session}/recordings`, body);
    expect([given, json.error.code]).toEqual([status, code]);
    expect(threads.opened).toEqual([]);
  });

  it('need a session, a picture, and a path without tricks', async () => {
    const session = await serve();
    const other = await createSession();
    const url = await record(session);
    const { json } = await postJson(server.url, { targetUrl: 'https://game.example.org/' });
    const early = await postJson(`${server.url}/${json.streamId}/recordings`, {});
    expect([early.status, early.json.error.code]).toEqual([503, 'unavailable']);
    expect(await codeOf(`${server.url}/nobody/recordings`)).toEqual([404, 'no_such_session']);
    expect(await codeOf(url.replace(session, other))).toEqual([404, 'no_such_recording']);
    expect(await codeOf(`${session}/recordings/..%2f..%2fetc%2fpasswd/file`)).toEqual([
      404,
      'no_such_recording',
    ]);
    expect(await codeOf(`${session}/recordings`, 'DELETE')).toEqual([405, 'method_not_allowed']);
    expect(await codeOf(`${session}/hls/index.m3u8`)).toEqual([404, 'not_found']);
  });

  it('are guarded as every route is', async () => {
    let authorized = true;
    const session = await serve({}, { validateRequest: () => ({ authorized }), hls: true });
    const url = await record(session);
    authorized = false;
    for (const path of [`${session}/recordings`, url, `${url}/file`, `${session}/hls/index.m3u8`]) {
      expect(await codeOf(path)).toEqual([401, 'unauthorized']);
    }
    expect(await codeOf(url, 'DELETE')).toEqual([401, 'unauthorized']);
    expect(await codeOf(`${session}/recordings`, 'POST')).toEqual([401, 'unauthorized']);
  });

  it('are not there without the option, and not in a directory that cannot be written', async () => {
    server = await serveRouter();
    const session = await createSession();
    expect(await codeOf(`${session}/recordings`)).toEqual([404, 'not_found']);
    const object = await server.router.sessions.create({ targetUrl: 'https://game.example.org/' });
    await expect(object.record()).rejects.toMatchObject({ code: 'not_found' });
    writeFileSync(join(directory, 'file'), '');
    await expect(
      serveRouter({ recording: { directory: join(directory, 'file', 'in') } }),
    ).rejects.toMatchObject({
      code: 'bad_option',
      message: expect.stringContaining('Expected writable directory for recording.directory'),
    });
  });
});

describe('a live playlist', () => {
  const segment = (value: number): HlsReport => ({
    type: 'segment',
    bytes: new Uint8Array([value]),
    startUs: 0,
    durationUs: 2_000_000,
  });

  it('begins with the first request, stops when nobody asks, and goes on with its numbers', async () => {
    const session = await serve({}, { hls: { idleMs: 5000 }, sessionTimeout: 600_000 });
    const url = `${session}/hls`;
    const asked = ask(`${url}/index.m3u8`);
    while (hlsThreads.opened.length === 0) await settle();
    hlsThreads.opened[0]?.report({ type: 'init', bytes: new Uint8Array([9]) });
    hlsThreads.opened[0]?.report(segment(1));
    const first = await asked;
    expect([first.status, first.headers.get('content-type')]).toEqual([200, 'application/vnd.apple.mpegurl']);
    expect(new Uint8Array(await (await fetch(`${url}/segment-0.m4s`)).arrayBuffer())).toEqual(
      new Uint8Array([1]),
    );
    expect(server.parts.events).toContainEqual(expect.stringMatching(/^video start h264/));
    await server.parts.clock.advance(5000);
    expect(hlsThreads.opened[0]?.stopped).toBe(true);
    const again = fetch(`${url}/index.m3u8`);
    while (hlsThreads.opened.length === 1) await settle();
    hlsThreads.opened[1]?.report({ type: 'init', bytes: new Uint8Array([9]) });
    hlsThreads.opened[1]?.report(segment(2));
    expect(await (await again).text()).toContain('segment-1.m4s');
  });

  it('answers that there is none yet when no segment comes', async () => {
    const session = await serve({}, { hls: true });
    const asked = ask(`${session}/hls/index.m3u8`);
    while (hlsThreads.opened.length === 0) await settle();
    await server.parts.clock.advance(10_000);
    expect((await asked).json.error.code).toBe('unavailable');
  });

  it('needs H.264', async () => {
    const session = await serve({}, { hls: true }, { videoCodec: 'vp8' });
    expect(await codeOf(`${session}/hls/index.m3u8`)).toEqual([409, 'conflict']);
  });
});

describe('the metrics', () => {
  it('tell how many recordings run and how they ended', async () => {
    const session = await serve();
    const recording = await record(session, { format: 'mp4' });
    threads.opened[0]?.report({ type: 'progress', takenBytes: 0, files: [FILE] });
    const during = samplesOf(await server.router.metrics());
    expect(during.get('stream_kit_recordings')).toBe(1);
    expect(during.get('stream_kit_recordings_started_total{format="mp4"}')).toBe(1);
    await ask(recording, { method: 'DELETE' });
    const after = samplesOf(await server.router.metrics());
    expect(after.get('stream_kit_recordings')).toBe(0);
    expect(after.get('stream_kit_recordings_ended_total{status="finished"}')).toBe(1);
    expect(after.get('stream_kit_recorded_bytes_total')).toBe(CONTENT.length);
  });
});
