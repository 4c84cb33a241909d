import { existsSync, readFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';

import { applyPatch, type Operation } from 'fast-json-patch';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import type { SessionDiagnostics } from '../../src/protocol/session-diagnostics.js';
import { CuttableProxy } from '../helpers/cuttable-proxy.js';
import { freePort } from '../helpers/free-port.js';
import { PATIENCE_MS, until } from '../helpers/patience.js';
import { root } from '../helpers/product.js';
import { processesOfSessions } from '../helpers/session-processes.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

const isAddonBuilt = existsSync(joinPath(root, 'native', 'build', 'Release', 'media_plane.node'));
let server: TestServer;
let browser: ViewerBrowser;
/** Each test has viewers of its own, and no other's are left when it begins. */
let moving: CreatedSession;
let still: CreatedSession;
let tcpPort: number;
const viewers: ViewerTab[] = [];

beforeAll(async () => {
  tcpPort = await freePort();
  [server, browser] = await Promise.all([
    TestServer.start({ pauseGraceMs: 300, ...(isAddonBuilt ? { tcpPort } : {}) }),
    ViewerBrowser.launch(),
  ]);
  moving = await server.create(server.page('mode=counter&tone=440'), {}, { nested: { list: [1, 2, 3] } });
  still = await server.create(server.page('mode=static'));
});

afterEach(async () => {
  await Promise.all(viewers.splice(0).map((viewer) => viewer.close()));
  for (const session of [moving, still]) {
    await server.state(session, ({ metadata }) => metadata.viewers === 0);
  }
});

afterAll(async () => {
  for (const session of [moving, still]) expect(await server.delete(session)).toBe(204);
  await Promise.all([server.close(), browser.close()]);
});

async function join(
  session: CreatedSession,
  options: { query?: string; collectHashes?: boolean; tcpPort?: number } = {},
): Promise<ViewerTab> {
  const viewer = await browser.open(server);
  viewers.push(viewer);
  await viewer.connect(session, options);
  await viewer.firstPicture();
  return viewer;
}

test('media goes over the native plane where it is built', async () => {
  const state = await server.state(moving, ({ status }) => status === 'connecting');
  expect(state.metadata.mediaPlane).toBe(isAddonBuilt ? 'native' : 'werift');
});

test('three viewers get the very same encoded pictures', async () => {
  const joined = [];
  for (let index = 0; index < 3; index++) joined.push(await join(moving, { collectHashes: true }));
  await server.state(moving, ({ metadata }) => metadata.viewers === 3);
  await joined.at(-1)?.until('Object.keys(viewer.hashes).length > 40');
  const hashes = await Promise.all(
    joined.map((viewer) => viewer.read<Record<string, string>>('viewer.hashes')),
  );
  const [first = {}, second = {}, third = {}] = hashes;
  const common = Object.keys(first).filter((timestamp) => timestamp in second && timestamp in third);
  expect(common.length).toBeGreaterThan(20);
  for (const timestamp of common) {
    expect([second[timestamp], third[timestamp]]).toEqual([first[timestamp], first[timestamp]]);
  }
  // Different pictures are different, so that equal ones prove something.
  expect(new Set(common.map((timestamp) => first[timestamp])).size).toBe(common.length);
});

/** In a page: plays by WHEP, without UDP, and gives the protocol of the way that pictures take. */
const playByWhep = (url: string): string => `(async () => {
  const peer = new RTCPeerConnection();
  for (const kind of ['audio', 'video']) peer.addTransceiver(kind, { direction: 'recvonly' });
  await peer.setLocalDescription();
  const withoutUdp = (sdp) => sdp.replace(/a=candidate:\\S+ \\d+ udp .*\\r\\n/gi, '');
  const response = await fetch('${url}/whep', {
    method: 'POST',
    headers: { 'content-type': 'application/sdp' },
    body: withoutUdp(peer.localDescription.sdp),
  });
  await peer.setRemoteDescription({ type: 'answer', sdp: withoutUdp(await response.text()) });
  let reports;
  do {
    await new Promise((resolve) => setTimeout(resolve, 50));
    reports = [...(await peer.getStats()).values()];
  } while (!reports.some(({ kind, framesDecoded }) => kind === 'video' && framesDecoded > 10));
  peer.close();
  await fetch(new URL(response.headers.get('location'), '${url}/'), { method: 'DELETE' });
  return reports.find(({ type }) => type === 'remote-candidate').protocol;
})()`;

test.skipIf(!isAddonBuilt)(
  'viewers that no UDP reaches get pictures and sound over TCP, and one that reads slowly holds up nobody',
  async () => {
    const proxy = await CuttableProxy.open(`http://127.0.0.1:${tcpPort}`);
    try {
      const direct = await join(moving, { tcpPort });
      const slow = await join(moving, { tcpPort: Number(new URL(proxy.origin).port) });
      for (const viewer of [direct, slow]) {
        const { way } = await viewer.read<any>('viewer.stats()');
        expect([way.local.protocol, way.remote.protocol]).toEqual(['tcp', 'tcp']);
      }
      const { viewers: seen } = (await (
        await fetch(`${moving.url}/diagnostics`)
      ).json()) as SessionDiagnostics;
      expect(seen.flatMap(({ attached, ice }) => (attached ? [ice?.pair?.protocol] : []))).toEqual([
        'tcp',
        'tcp',
      ]);
      await until(async () => {
        const { hz, db } = await direct.read<{ hz: number; db: number }>('readTone()');
        expect(Math.abs(hz - 440)).toBeLessThan(4);
        expect(db).toBeGreaterThan(-40);
      });
      const framesOf = async (viewer: ViewerTab): Promise<number> =>
        (await viewer.read<any>('viewer.stats()')).video.framesDecoded as number;
      proxy.pause();
      const before = await framesOf(direct);
      await direct.until(`viewer.stats().then(({ video }) => video.framesDecoded > ${before + 60})`);
      // It has lost pictures meanwhile, and goes on with those of now.
      await until(async () => {
        const { viewers: now } = (await (
          await fetch(`${moving.url}/diagnostics`)
        ).json()) as SessionDiagnostics;
        expect(Math.max(...now.map(({ video }) => video?.framesDropped ?? 0))).toBeGreaterThan(30);
      });
      // Its link was full, so it may get one picture per second for a while.
      const stuck = await framesOf(slow);
      proxy.resume();
      await slow.until(`viewer.stats().then(({ video }) => video.framesDecoded > ${stuck + 3})`);
      // The browser connects anew, from another port.
      const { accepted } = proxy;
      proxy.drop();
      await until(() => expect(proxy.accepted).toBeGreaterThan(accepted));
      const cut = await framesOf(slow);
      await slow.until(`viewer.stats().then(({ video }) => video.framesDecoded > ${cut + 10})`);
      // A player nominates the pair itself.
      expect(await direct.read(playByWhep(moving.url))).toBe('tcp');
    } finally {
      await proxy.close();
    }
  },
);

test('a viewer that joins late sees a still page', async () => {
  const first = await join(still);
  expect(await first.read('readCode(0)')).toBe(12345);
  // Nothing moves, and what is encoded again to refine it has come; only one more picture can reach the newcomer.
  await first.until(`(async () => {
    const { video } = await viewer.stats();
    await new Promise((resolve) => setTimeout(resolve, 400));
    return (await viewer.stats()).video.framesReceived === video.framesReceived;
  })()`);
  const late = await join(still, { query: 'videoCodec=h264' });
  await late.until('readCode(0) === 12345');
});

test('with auto, a viewer may have the other codec', async () => {
  const h264 = await join(moving);
  const vp8 = await join(moving, { query: 'videoCodec=vp8' });
  await vp8.until('readCode(0) > 0');
  expect((await vp8.read<{ codecs: string[] }>('viewer.stats()')).codecs).toContain('video/VP8');
  expect((await h264.read<{ codecs: string[] }>('viewer.stats()')).codecs).toContain('video/H264');
});

/** Of the sessions, and of the process that is kept ready: the niceness of its group, the watched ones' first. */
function nicenessOf(role: 'session process' | 'browser'): number[] {
  const found = processesOfSessions().filter((entry) => entry.role === role);
  const group = (pid: number): number => Number(readFileSync(`/proc/${pid}/autogroup`, 'utf8').split(' ')[2]);
  return found.map(({ pid }) => group(pid)).sort((a, b) => a - b);
}

test('capture and encoding pause without viewers, yield to watched sessions, and go on with the next picture', async () => {
  const first = await join(moving);
  await server.state(moving, ({ metadata }) => metadata.video?.frameRate > 0);
  // The other session has none.
  const hasGroups = existsSync('/proc/self/autogroup');
  if (hasGroups) await until(() => expect(nicenessOf('browser')).toEqual([5, 10]));
  viewers.splice(viewers.indexOf(first), 1);
  await first.close();
  await server.state(
    moving,
    ({ status, metadata }) => status === 'connecting' && metadata.video.frameRate === 0,
  );
  if (hasGroups) {
    await until(() => expect(nicenessOf('browser')).toEqual([10, 10]));
    await until(() => expect(nicenessOf('session process').slice(-2)).toEqual([10, 10]));
  }
  const page = await server.router.sessions.get(moving.id).page();
  const paused = (await page.evaluate('painted')) as number;
  await expect.poll(() => page.evaluate('painted')).toBeGreaterThan(paused + 5);
  const next = await browser.open(server);
  viewers.push(next);
  // The code of the first picture that is shown: not of one from before the pause.
  await next.read(`void video.requestVideoFrameCallback(function look() {
    window.firstCode = readCode(0) ?? undefined;
    if (window.firstCode === undefined) video.requestVideoFrameCallback(look);
  })`);
  await next.connect(moving);
  await next.until('window.firstCode !== undefined');
  expect(await next.read('firstCode')).toBeGreaterThan(paused);
  const counters = await next.read<number[]>('readCounters(8)');
  expect(counters.at(-1)).toBeGreaterThan(counters[0] ?? Infinity);
});

test('a viewer that comes back by its id goes on without a new offer', async () => {
  const viewer = await join(moving);
  const before = await viewer.read<{ viewerId: string; offers: number }>(
    '({ viewerId: viewer.viewerId, offers: viewer.offers })',
  );
  await viewer.read('viewer.events.close()');
  await server.state(moving, ({ clientConnected }) => clientConnected === false);
  const decodedAway = await viewer.read<number>('viewer.stats().then(({ video }) => video.framesDecoded)');
  await viewer.read('viewer.open()');
  await viewer.until('viewer.document.clientConnected === true');
  const after = await viewer.read<{ viewerId: string; offers: number }>(
    '({ viewerId: viewer.viewerId, offers: viewer.offers })',
  );
  expect(after).toEqual(before);
  await viewer.until(`viewer.stats().then(({ video }) => video.framesDecoded > ${decodedAway + 10})`);
});

test('the patches that a viewer applies come to the state of the server', async () => {
  const viewer = await join(moving);
  for (let count = 1; count <= 5; count++) {
    await viewer.read(`viewer.signal('message', { metadata: ${count} })`);
    await viewer.until(`viewer.document.metadata.page.said === ${count}`);
  }
  expect(await viewer.read('viewer.patches')).toBeGreaterThan(5);
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const [theirs, ours] = await Promise.all([
      viewer.read<any>('viewer.document'),
      fetch(moving.url).then((response) => response.json()),
    ]);
    try {
      expect(theirs).toEqual(ours);
      expect(theirs.metadata.page).toMatchObject({
        mode: 'counter',
        initialData: { nested: { list: [1, 2, 3] } },
        viewersSeen: 1,
        said: 5,
      });
      return;
    } catch (error) {
      // A patch is up to one interval younger than the state.
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }
});

test('missed patches are sent again after Last-Event-ID', async () => {
  const viewer = await join(moving);
  await viewer.until('viewer.lastEventId !== null');
  const [document, lastEventId, viewerId] = await viewer.read<[object, number, string]>(
    '[viewer.document, viewer.lastEventId, viewer.viewerId]',
  );
  await viewer.read('viewer.events.close()');
  // Something to miss.
  await viewer.read("viewer.signal('message', { metadata: 'missed' })");
  await server.state(moving, ({ clientConnected }) => clientConnected === false);
  const controller = new AbortController();
  const response = await fetch(`${moving.url}/sse?viewerId=${viewerId}&media=none`, {
    headers: { 'last-event-id': String(lastEventId) },
    signal: controller.signal,
  });
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes('event: state_patch')) break;
  }
  controller.abort();
  const blocks = text.split('\n\n').filter((block) => block.includes('event: state_patch'));
  const [first = ''] = blocks;
  expect(first).toContain(`id: ${lastEventId + 1}`);
  const operations = JSON.parse(/data: (.*)/.exec(first)?.[1] ?? '') as Operation[];
  // A patch of what was missed, not the whole document.
  expect(operations.some(({ path }) => path === '')).toBe(false);
  expect(() => applyPatch(structuredClone(document), operations, true)).not.toThrow();
});

test('messages go from viewer to page and from page to every viewer', async () => {
  const [first, second] = [await join(still), await join(still)];
  expect(await first.read("viewer.signal('message', { text: 'hello' })")).toBe(204);
  const echo = [{ echo: { text: 'hello' } }];
  await first.until('viewer.messages.length > 0');
  await second.until('viewer.messages.length > 0');
  expect(await first.read('viewer.messages')).toEqual(echo);
  expect(await second.read('viewer.messages')).toEqual(echo);
});
