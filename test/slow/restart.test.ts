import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { processesOfSessions, type ProcessRole } from '../helpers/session-processes.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

let server: TestServer;
let browser: ViewerBrowser;
let viewer: ViewerTab | undefined;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
});

afterEach(async () => {
  await viewer?.close();
  viewer = undefined;
  await server.close();
  await expect.poll(() => processesOfSessions()).toEqual([]);
});

afterAll(() => browser.close());

/** A session that is seen, on a server of its own. */
async function watched(options: Parameters<typeof TestServer.start>[0] = {}): Promise<CreatedSession> {
  server = await TestServer.start(options);
  const session = await server.create(server.page('mode=counter'));
  const tab = await browser.open(server);
  viewer = tab;
  await server.state(session, ({ status }) => status === 'connecting');
  await tab.connect(session);
  await tab.firstPicture();
  return session;
}

function pidOf(role: ProcessRole): number {
  // The one that is kept ready for the next session is younger.
  const found = processesOfSessions().find((entry) => entry.role === role);
  if (found === undefined) throw new Error(`There is no ${role}`);
  return found.pid;
}

/** Resolves when new pictures are decoded, on the connection that was there before. */
async function seesAgain(session: CreatedSession, restarts: number): Promise<void> {
  const tab = viewer;
  if (tab === undefined) throw new Error('Nobody is watching');
  await server.state(
    session,
    ({ metadata, status }) => metadata.restarts === restarts && status === 'streaming',
  );
  const decoded = await tab.read<number>('viewer.stats().then(({ video }) => video.framesDecoded)');
  await tab.until(`viewer.stats().then(({ video }) => video.framesDecoded > ${decoded + 10})`);
  expect(await tab.read('[viewer.offers, viewer.closedReason ?? null]')).toEqual([1, null]);
}

test.each([
  ['SIGKILL', 'session process', 'browser_crashed'],
  ['SIGKILL', 'browser', 'browser_crashed'],
] as const)(
  'after %s of the %s viewers see the page again without a new offer',
  async (signal, role, code) => {
    const session = await watched();
    process.kill(pidOf(role), signal);
    await server.state(session, ({ status }) => status === 'initializing');
    await seesAgain(session, 1);
    const { metadata, instanceInfo } = await server.state(session, () => true);
    expect(metadata.fault).toMatchObject({ code, message: expect.any(String) });
    expect(processesOfSessions().map(({ pid }) => pid)).toContain(instanceInfo.pid);
  },
);

test('a client restarts a session, and the page knows what it began with', async () => {
  const session = await watched();
  const before = pidOf('browser');
  expect((await fetch(`${session.url}/restart`, { method: 'POST' })).status).toBe(202);
  await seesAgain(session, 1);
  const { metadata } = await server.state(session, (state) => state.metadata.page.mode === 'counter');
  expect(metadata.fault.code).toBe('restart_requested');
  expect(pidOf('browser')).not.toBe(before);
});

test('a session whose restarts are used up ends with the last fault', async () => {
  const session = await watched({
    restart: { attempts: 1 },
    puppeteerLaunchOptions: { args: ['--js-flags=--max-old-space-size=128'] },
  });
  process.kill(pidOf('browser'), 'SIGKILL');
  await seesAgain(session, 1);
  const page = await server.router.sessions.get(session.id).page();
  page
    .evaluate('{ const all = []; for (;;) all.push(Array.from({ length: 1000 }, Object)); }')
    .catch(() => undefined);
  const state = await server.state(session, ({ status }) => status === 'error');
  expect([state.error, state.errorCode]).toEqual(['The page ran out of memory', 'out_of_memory']);
  await viewer?.until("viewer.closedReason === 'error'");
});

test('without the option a session that breaks ends, and nobody can restart it', async () => {
  const session = await watched({ restart: false });
  expect((await fetch(`${session.url}/restart`, { method: 'POST' })).status).toBe(404);
  process.kill(pidOf('session process'), 'SIGKILL');
  const { error } = await server.state(session, ({ status }) => status === 'error');
  expect(error).toBe('The session process ended');
});
