import { readFileSync } from 'node:fs';

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { processesOfSessions } from '../helpers/session-processes.js';
import { DEBUGGABLE, evaluateInThread } from '../helpers/session-threads.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

/** A thread that encodes is not a process: it is made to fail and to hang through the debugger of its session process. */

let server: TestServer;
let browser: ViewerBrowser;
let viewer: ViewerTab;
const nodeOptions = process.env.NODE_OPTIONS;

beforeAll(async () => {
  process.env.NODE_OPTIONS = `${nodeOptions ?? ''} ${DEBUGGABLE}`;
  browser = await ViewerBrowser.launch();
});

afterEach(async () => {
  await viewer.close();
  await server.close();
});

afterAll(async () => {
  if (nodeOptions === undefined) delete process.env.NODE_OPTIONS;
  else process.env.NODE_OPTIONS = nodeOptions;
  await browser.close();
});

/** The capture that a page is watched by, and how. */
async function watched(capture: 'tab' | 'screencast'): Promise<CreatedSession> {
  server = await TestServer.start({ capture, sessionProcess: { spare: false } });
  const session = await server.create(server.page('mode=counter'));
  await server.state(session, ({ status }) => status === 'connecting');
  // It comes with the first who watches.
  expect(hasLoadedFfmpeg()).toBe(false);
  viewer = await browser.open(server);
  await viewer.connect(session);
  await viewer.firstPicture();
  await hearsMore();
  expect(hasLoadedFfmpeg()).toBe(true);
  return session;
}

async function hearsMore(): Promise<void> {
  const packets = 'viewer.stats().then(({ audio }) => audio?.packetsReceived ?? 0)';
  const received = await viewer.read<number>(packets);
  await viewer.until(`${packets}.then((now) => now > ${received + 50})`);
}

/** The next ten numbers that the page shows, of which it counts one per picture from its load on. */
const counters = (): Promise<number[]> => viewer.read<number[]>('readCounters(10)');

function sessionPid(): number {
  return processesOfSessions().find(({ role }) => role === 'session process')?.pid ?? 0;
}

function hasLoadedFfmpeg(): boolean {
  return readFileSync(`/proc/${sessionPid()}/maps`, 'latin1').includes('/node-av');
}

async function breakThread(kind: 'video' | 'audio', how: 'fails' | 'hangs'): Promise<void> {
  const fault = how === 'fails' ? 'process.exit(1)' : 'for (;;);';
  // On a later turn of the loop: a debugger interrupts whatever runs, and node-av aborts the process if the thread ends inside it.
  await evaluateInThread(sessionPid(), `${kind}-encode-worker.js`, `setTimeout(() => { ${fault} })`);
}

/** Breaks one, and waits until pictures and sound of the same page come again, the same way. */
async function survives(session: CreatedSession, kind: 'video' | 'audio', how: 'fails' | 'hangs') {
  const [before = 0] = await counters();
  const former = (await server.state(session, () => true)).metadata.fault?.time;
  await breakThread(kind, how);
  const { metadata } = await server.state(
    session,
    ({ metadata: { fault } }) => (fault?.time ?? 0) !== (former ?? 0),
  );
  expect([metadata.restarts, metadata.fault.code]).toEqual([0, 'encoder_failed']);
  const after = await counters();
  expect(after[0]).toBeGreaterThan(before);
  expect(after).toEqual([...after].sort((one, other) => one - other));
  await hearsMore();
  const state = await server.state(session, () => true);
  expect([state.status, state.metadata.restarts, state.metadata.page.wasHidden]).toEqual([
    'streaming',
    0,
    undefined,
  ]);
  expect(await viewer.read('[viewer.offers, viewer.closedReason ?? null]')).toEqual([1, null]);
}

test('when the encoding of pictures fails or hangs it is started again twice, and then the browser is', async () => {
  const session = await watched('tab');
  const { video } = await viewer.read<any>('viewer.stats()');
  await survives(session, 'video', 'fails');
  await survives(session, 'video', 'hangs');
  await breakThread('video', 'fails');
  const { metadata } = await server.state(session, (state) => state.metadata.restarts > 0);
  expect([metadata.restarts, metadata.fault.code]).toEqual([1, 'encoder_failed']);
  await counters();
  expect((await viewer.read<any>('viewer.stats()')).video.ssrc).toBe(video.ssrc);
});

test('the encoding of sound, and that of a screencast, are started again as well', async () => {
  const session = await watched('screencast');
  await survives(session, 'audio', 'hangs');
  await survives(session, 'video', 'fails');
});
