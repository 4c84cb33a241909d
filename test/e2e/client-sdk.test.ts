import { join } from 'node:path';

import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { CuttableProxy } from '../helpers/cuttable-proxy.js';
import { root } from '../helpers/product.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, ViewerTab } from '../helpers/viewer-browser.js';
import { RebindingNat } from '../integration/rebinding-nat.js';

/** One session, one browser and one page for all: each test leaves the viewer where the next one begins. */
let server: TestServer;
let proxy: CuttableProxy;
let browser: ViewerBrowser;
let session: CreatedSession;
let tab: ViewerTab;
let nats = new Map<number, Promise<RebindingNat>>();

const DECODED = 'stream.stats().then(({ recent }) => recent?.framesDecoded ?? 0)';
const PICTURE_COMES = `${DECODED}.then((frames) => frames > 0)`;

beforeAll(async () => {
  const [started, launched, bundle] = await Promise.all([
    TestServer.start({ viewerReattachMs: 2500, pauseGraceMs: 300 }),
    ViewerBrowser.launch(),
    build({
      entryPoints: [join(root, 'test', 'fixtures', 'cut-network.mjs')],
      bundle: true,
      write: false,
      format: 'iife',
      define: { 'process.env.NODE_ENV': '"development"' },
    }),
  ]);
  [server, browser] = [started, launched];
  proxy = await CuttableProxy.open(server.origin);
  session = await server.create(server.page('mode=counter'));
  const page = await browser.browser.newPage();
  await page.exposeFunction('mapPort', async (port: number) => (await natTo(port)).port);
  await page.goto(`${proxy.origin}/fixtures/cut-network.html`);
  await page.addScriptTag({ content: bundle.outputFiles[0]?.text ?? '' });
  tab = new ViewerTab(page);
  await follow({});
  await tab.until(PICTURE_COMES);
});

afterAll(async () => {
  await browser.close();
  await Promise.all([cutUdp(), proxy.close(), server.close()]);
});

/** What the browser takes for the server's port. */
function natTo(port: number): Promise<RebindingNat> {
  const known = nats.get(port) ?? RebindingNat.open(port);
  nats.set(port, known);
  return known;
}

/** For good: what is connected anew goes another way. */
async function cutUdp(): Promise<void> {
  const old = [...nats.values()];
  nats = new Map();
  for (const nat of await Promise.all(old)) nat.close();
}

async function follow(options: object): Promise<void> {
  const all = { url: '/stream', streamId: session.id, ...options };
  await tab.read(`follow(${JSON.stringify(all)})`);
}

interface Viewer {
  number: number;
  attached: boolean;
}

async function viewers(): Promise<Viewer[]> {
  const response = await fetch(`${session.url}/diagnostics`);
  return ((await response.json()) as { viewers: Viewer[] }).viewers;
}

async function untilViewers(holds: (found: Viewer[]) => boolean): Promise<Viewer[]> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const found = await viewers();
    if (holds(found)) return found;
    if (performance.now() > deadline) throw new Error(`the viewers stayed ${JSON.stringify(found)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('both ends tell where the time of a picture goes, and that nothing is wrong', async () => {
  // The first second of a session has slow pictures, of a browser that still settles.
  await tab.until('findings().then((found) => !found.some(({ severity }) => severity === "error"))');
  await tab.until(`Promise.all([stream.report(), stream.serverDiagnostics()]).then(([report, server]) => {
    const { stages, totalMs } = stageLatency(report, server);
    return totalMs > 0 && stages.every(({ ms }) => ms >= 0) && report.viewerNumber === 1;
  })`);
});

test('without HTTP the picture goes on, and the state then resumes where it was', async () => {
  const before = await tab.read<[string, number]>('[stream.viewerId, log.documents]');
  await proxy.cut();
  await tab.until("stream.status === 'reconnecting'");
  await tab.read(DECODED);
  await tab.until(PICTURE_COMES);
  await proxy.restore();
  await tab.until("stream.status === 'connected'");
  const patches = await tab.read<number>('log.patches');
  await tab.until(`log.patches > ${patches}`);
  // The same viewer and peer, and patches alone: had one been missed, the next one would not have fitted.
  expect(await tab.read('[stream.viewerId, log.documents]')).toEqual(before);
  expect(await tab.read('[log.media, log.peerStates.filter((state) => state !== "connecting")]')).toEqual([
    1,
    ['connected'],
  ]);
  const deadline = performance.now() + 10_000;
  for (;;) {
    const [theirs, ours] = await Promise.all([
      tab.read('stream.state'),
      fetch(session.url).then((answer) => answer.json()),
    ]);
    if (JSON.stringify(theirs) === JSON.stringify(ours)) break;
    // A patch is up to one interval younger than the state.
    if (performance.now() > deadline) expect(theirs).toEqual(ours);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
});

test('without UDP ICE is restarted, the words for it are right, and the picture comes again', async () => {
  await cutUdp();
  await tab.until('findings().then((found) => found[0]?.code === "media_interrupted")');
  // As when another network takes over: a silent path is not waited for.
  await tab.read("window.dispatchEvent(new Event('online'))");
  await tab.until("log.peerStates.at(-1) === 'connected'");
  await tab.read(DECODED);
  await tab.until(PICTURE_COMES);
  expect(await tab.read('[log.media, stream.viewerNumber]')).toEqual([1, 1]);
});

test('a viewer that the server has forgotten comes back as another one', async () => {
  await proxy.cut();
  await untilViewers((found) => found.length === 0);
  await proxy.restore();
  await tab.read("window.dispatchEvent(new Event('online'))");
  await tab.until('stream.viewerNumber === 2');
  await tab.until(PICTURE_COMES);
  expect(await tab.read('[log.media, stream.status]')).toEqual([2, 'connected']);
  await tab.read('stream.close()');
  await untilViewers((found) => !found.some(({ attached }) => attached));
});

test('in React one connection lives as long as its component, and only what matters makes another', async () => {
  const options = { url: '/stream', streamId: session.id };
  await tab.read(`render(${JSON.stringify(options)})`);
  await tab.until("document.getElementById('view')?.videoWidth > 0 && handle.status === 'connected'");
  // StrictMode has mounted it twice.
  const [only, ...others] = (await viewers()).filter(({ attached }) => attached);
  expect(others).toEqual([]);
  // Equal options in other objects, and other callbacks, are nothing new.
  await tab.read(
    `window.states = 0, render({ ...${JSON.stringify(options)}, onState: () => window.states++ })`,
  );
  await tab.until('window.states > 0');
  expect(await tab.read('handle.connection.viewerNumber')).toBe(only?.number);
  await tab.read(`render({ ...${JSON.stringify(options)}, maxHeight: 720 })`);
  await tab.until(`handle.status === 'connected' && handle.connection.viewerNumber > ${only?.number}`);
  expect(
    (await untilViewers((found) => found.filter(({ attached }) => attached).length === 1)).length,
  ).toBeLessThan(4);
  await tab.read('render(null)');
  await untilViewers((found) => !found.some(({ attached }) => attached));
});

test('a browser without the codecs is told so, and does not try for ever', async () => {
  await tab.read('forgetCodecs()');
  await follow({});
  await tab.until("stream.status === 'failed'");
  expect(await tab.read('log.errors')).toEqual(['no_codec']);
  expect(
    await tab.read('findings().then(([{ code, message, figures }]) => ({ code, message, figures }))'),
  ).toMatchObject({
    code: 'codec_missing',
    message: 'This browser cannot decode any of the video codecs that the session offers.',
    figures: { reason: expect.stringMatching(/H264, VP8/) },
  });
});
