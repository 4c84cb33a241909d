import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';

import { readChunk, type ReadChunk } from '../helpers/fake-message-sink.js';
import { seededRandom } from '../helpers/seeded-random.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';
import { SEED } from '../helpers/seed.js';

const KEYFRAME = 0;
const AUDIO = 2;

interface StreamRecord {
  readonly chunks: [seq: number, kind: number, hash: number][];
  readonly pictures: [pts: number, counter: number | null][];
  readonly audioSamples: number;
  readonly audioPower: number;
  readonly connections: number;
  readonly errors: string[];
}

describe(`the stream of a page over WebSocket, seed ${SEED}`, () => {
  let server: TestServer;
  let browser: ViewerBrowser;
  let tab: ViewerTab;
  /** The connections of WebSockets, oldest first. */
  const sockets: Duplex[] = [];

  beforeAll(async () => {
    [server, browser] = await Promise.all([TestServer.start(), ViewerBrowser.launch()]);
    server.http.prependListener('upgrade', (_request, socket: Duplex) => void sockets.push(socket));
    tab = await browser.open(server, 'stream.html');
  });
  afterAll(async () => {
    await Promise.all([server.close(), browser.close()]);
  });

  const record = (name: string): Promise<StreamRecord> =>
    tab.read(`(async () => {
      window.${name}.stop();
      await window.${name}.flush();
      const { chunks, pictures, audioSamples, audioPower, connections, errors } = window.${name};
      return { chunks, pictures, audioSamples, audioPower, connections, errors };
    })()`);

  test.each([
    ['h264', 30],
    ['vp8', 4],
  ] as const)('as %s loses and repeats nothing over %i cuts', async (videoCodec, cuts) => {
    const random = seededRandom(SEED);
    const session = await server.create(server.page('mode=counter&fps=30&tone=440'), { videoCodec });
    await server.state(session, ({ status }) => status !== 'initializing');
    await tab.read(`void (window.steady = new Stream('${session.url}'))`);
    await tab.until('window.steady.pictures.length > 5');
    const isCut = sockets.length;
    await tab.read(`void (window.cut = new Stream('${session.url}'))`);
    for (let cut = 0; cut < cuts; cut++) {
      await tab.until(`window.cut.connections > ${cut}`);
      await new Promise((resolve) => setTimeout(resolve, random() * 60));
      sockets.slice(isCut).at(-1)?.destroy();
    }
    await tab.until(`window.cut.connections > ${cuts}`);
    await tab.until(`new Set(window.cut.pictures.map(([, counter]) => counter)).size > ${cuts}`);
    // A newcomer.
    await tab.read(`void (window.late = new Stream('${session.url}'))`);
    await tab.until('window.late.pictures.length > 3');
    const [cut, late, steady] = [await record('cut'), await record('late'), await record('steady')];
    expect([...cut.errors, ...late.errors, ...steady.errors]).toEqual([]);

    const bytes = new Map(steady.chunks.map(([seq, , hash]) => [seq, hash]));
    const counters = new Map(steady.pictures);
    for (const { chunks, pictures } of [cut, late, steady]) {
      const [first] = chunks;
      expect(first?.[1]).toBe(KEYFRAME);
      // One after the other, under every number what all others have under it.
      expect(chunks.map(([seq]) => seq)).toEqual(chunks.map((_, index) => (first?.[0] ?? 0) + index));
      expect(chunks.filter(([seq, , hash]) => bytes.get(seq) !== hash)).toEqual([]);
      // Each picture was decoded once, and shows what the page had painted then.
      expect(pictures).toHaveLength(chunks.filter(([, kind]) => kind !== AUDIO).length);
      expect(pictures.filter(([pts, counter]) => counter === null || counters.get(pts) !== counter)).toEqual(
        [],
      );
      const painted = pictures.map(([, counter]) => counter ?? 0);
      expect(painted).toEqual([...painted].sort((a, b) => a - b));
    }
    expect(cut.connections).toBe(cuts + 1);
    // 20 ms a packet, and a tone of amplitude 0.5.
    const sounds = cut.chunks.filter(([, kind]) => kind === AUDIO).length;
    expect(cut.audioSamples / (sounds * 960)).toBeGreaterThan(0.95);
    expect(cut.audioPower / cut.audioSamples).toBeGreaterThan(0.05);
    expect(await server.delete(session)).toBe(204);
  });

  test('goes on at a keyframe for a client that takes nothing for a while, and the others miss nothing', async () => {
    const session = await server.create(server.page('mode=noise'), {
      maxBitrateBps: 50_000_000,
      audio: false,
    });
    await server.state(session, ({ status }) => status !== 'initializing');
    const delays = monitorEventLoopDelay();
    delays.enable();
    const [stalled, other] = [readerOf(session), readerOf(session)];
    await stalled.until(() => stalled.chunks.length > 0);
    stalled.socket.pause();
    const bytesOf = (chunks: readonly ReadChunk[]): number =>
      chunks.reduce((sum, { payload }) => sum + payload.byteLength, 0);
    // What the kernel takes, and what may wait.
    await other.until(() => bytesOf(other.chunks) > 11 * 1024 * 1024);
    const newest = other.chunks.at(-1)?.seq ?? 0;
    stalled.socket.resume();
    await stalled.until(() => (stalled.chunks.at(-1)?.seq ?? 0) > newest);
    for (const reader of [stalled, other]) reader.socket.terminate();

    delays.disable();
    const afterGaps = ({ chunks }: { chunks: readonly ReadChunk[] }): string[] =>
      chunks
        .filter(({ seq }, index) => index > 0 && seq !== (chunks[index - 1]?.seq ?? 0) + 1)
        .map(({ kind }) => kind);
    // The readers are in the thread of the server: where that stood still, neither has taken anything meanwhile.
    const hasStoodStill = delays.max > 400e6;
    for (const kind of [...afterGaps(stalled), ...afterGaps(other)]) expect(kind).toBe('keyframe');
    expect(afterGaps(stalled).length).toBeGreaterThan(0);
    // The one that had stalled may need a second cut, while it takes what waited.
    if (!hasStoodStill) expect(afterGaps(other)).toEqual([]);
    expect(bytesOf(stalled.chunks)).toBeLessThan(bytesOf(other.chunks));
    expect(await server.delete(session)).toBe(204);
  });
});

/** A client that decodes nothing. */
function readerOf(session: CreatedSession) {
  const socket = new WebSocket(`${session.url.replace('http', 'ws')}/stream`);
  const chunks: ReadChunk[] = [];
  const waiting = new Set<() => void>();
  socket.on('open', () => socket.send('{"type":"resume","lastSeq":null}'));
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) chunks.push(readChunk(data));
    for (const wake of waiting) wake();
    waiting.clear();
  });
  return {
    ...{ socket, chunks },
    async until(holds: () => boolean): Promise<void> {
      while (!holds()) await new Promise<void>((resolve) => waiting.add(resolve));
    },
  };
}
