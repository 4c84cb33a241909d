import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { until } from '../helpers/patience.js';
import { processesOfSessions, type ProcessRole } from '../helpers/session-processes.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

let server: TestServer;
let browser: ViewerBrowser;
let viewer: ViewerTab;

/** Pages of this test, by path; a path that is not there is never answered. */
const PAGES: Readonly<Record<string, string>> = {
  '/busy': `<body style="background:#246">busy<script>
    setTimeout(() => { for (const end = performance.now() + 16000; performance.now() < end; ); }, 3000);
    setInterval(() => { document.body.textContent = performance.now(); }, 50);
  </script>`,
  '/slow-script': `<body style="background:#462"><h1>loading</h1>${'<p>text</p>'.repeat(100)}<script src="/never"></script>`,
};
/** Answers to `/late`, which the test gives. */
const late: ServerResponse[] = [];
const pages = createServer((request, response) => {
  if (request.url === '/late') late.push(response);
  const page = PAGES[request.url ?? ''];
  if (page !== undefined) response.writeHead(200, { 'content-type': 'text/html' }).end(page);
});

const pageUrl = (path: string): string => `http://127.0.0.1:${(pages.address() as AddressInfo).port}${path}`;

beforeAll(async () => {
  pages.listen(0, '127.0.0.1');
  await once(pages, 'listening');
  browser = await ViewerBrowser.launch();
});

afterEach(async () => {
  await viewer.close();
  await server.close();
});

afterAll(async () => {
  await browser.close();
  pages.closeAllConnections();
  pages.close();
});

async function watched(targetUrl?: string): Promise<CreatedSession> {
  server = await TestServer.start();
  const session = await server.create(targetUrl ?? server.page('mode=counter'));
  viewer = await browser.open(server);
  await server.state(session, ({ status }) => status === 'connecting');
  await viewer.connect(session);
  await viewer.firstPicture();
  return session;
}

function pidOf(role: ProcessRole): number {
  const found = processesOfSessions().find((entry) => entry.role === role);
  if (found === undefined) throw new Error(`There is no ${role}`);
  return found.pid;
}

async function decodesMore(): Promise<void> {
  const decoded = await viewer.read<number>('viewer.stats().then(({ video }) => video.framesDecoded)');
  await viewer.until(`viewer.stats().then(({ video }) => video.framesDecoded > ${decoded + 10})`);
}

async function hearsMore(): Promise<void> {
  const packets = 'viewer.stats().then(({ audio }) => audio?.packetsReceived ?? 0)';
  const received = await viewer.read<number>(packets);
  await viewer.until(`${packets}.then((now) => now > ${received + 50})`);
}

test.each(['SIGKILL', 'SIGSTOP'] as const)(
  'after %s of the audio service the sound alone is lost, and comes back',
  async (signal) => {
    const session = await watched();
    await hearsMore();
    process.kill(pidOf('audio service'), signal);
    await server.state(session, ({ metadata }) => metadata.audio === null);
    await decodesMore();
    const { metadata, status } = await server.state(session, (state) => state.metadata.audio !== null);
    expect([status, metadata.restarts, metadata.fault.code]).toEqual(['streaming', 0, 'sound_lost']);
    await hearsMore();
    await decodesMore();
  },
);

test.each([
  ['SIGKILL', 'capture_failed'],
  ['SIGSTOP', 'capture_stalled'],
] as const)(
  'after %s of the renderer that captures another one does, and the page does not notice',
  async (signal, code) => {
    const session = await watched();
    await hearsMore();
    // What it counts is lost with the page.
    const [before = 0] = await viewer.read<number[]>('readCounters(1)');
    const lost = pidOf('capture renderer');
    process.kill(lost, signal);
    const { metadata, status } = await server.state(session, (state) => state.metadata.fault !== null);
    expect([status, metadata.restarts, metadata.fault.code]).toEqual(['streaming', 0, code]);
    // What is decoded may be the last picture again.
    const counters = await viewer.read<number[]>('readCounters(10)');
    expect(counters.at(-1)).toBeGreaterThan(before + 10);
    expect(counters).toEqual([...counters].sort((one, other) => one - other));
    await hearsMore();
    expect(await viewer.read('[viewer.offers, viewer.closedReason ?? null]')).toEqual([1, null]);
    const after = await server.state(session, () => true);
    expect([after.status, after.metadata.restarts, after.metadata.page.wasHidden]).toEqual([
      ...['streaming', 0, undefined],
    ]);
    await expect.poll(() => processesOfSessions().map(({ pid }) => pid)).not.toContain(lost);
  },
);

test('a renderer that captures and is lost while the page loads is replaced once it has', async () => {
  server = await TestServer.start({ capture: 'tab' });
  const session = await server.create(pageUrl('/late'));
  await until(() => expect(late).not.toEqual([]));
  const lost = pidOf('capture renderer');
  process.kill(lost, 'SIGKILL');
  await until(() => expect(processesOfSessions().map(({ pid }) => pid)).not.toContain(lost));
  for (const response of late.splice(0))
    response.writeHead(200, { 'content-type': 'text/html' }).end('<body style="background:#624">late');
  const { metadata } = await server.state(session, (state) => state.metadata.fault !== null);
  expect([metadata.restarts, metadata.fault.code]).toEqual([0, 'capture_failed']);
  viewer = await browser.open(server);
  await viewer.connect(session);
  await viewer.firstPicture();
  const after = await server.state(session, () => true);
  expect([after.status, after.metadata.restarts]).toEqual(['streaming', 0]);
});

test('a GPU process that hangs is started again, and the page goes on', async () => {
  const session = await watched();
  process.kill(pidOf('GPU process'), 'SIGSTOP');
  const { metadata } = await server.state(session, (state) => state.metadata.fault !== null);
  expect([metadata.restarts, metadata.fault.code]).toEqual([0, 'gpu_hung']);
  await decodesMore();
  expect((await server.state(session, () => true)).status).toBe('streaming');
});

test('a page that is busy for a quarter of a minute is shown as such, and goes on', async () => {
  const session = await watched(pageUrl('/busy'));
  await server.state(session, ({ metadata }) => metadata.responsive === false);
  const { metadata, status } = await server.state(session, (state) => state.metadata.responsive === true);
  expect([status, metadata.restarts, metadata.fault]).toEqual(['streaming', 0, null]);
  await decodesMore();
});

test('a page whose script never arrives is shown as soon as it is painted', async () => {
  const session = await watched(pageUrl('/slow-script'));
  expect((await server.state(session, () => true)).status).toBe('streaming');
});
