import { readdirSync } from 'node:fs';

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { commandLine, processesOfSessions, type SessionProcessEntry } from '../helpers/session-processes.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

/**
 * Kills and stops every kind of process of a session at every stage of it. Whatever is hit, the session shows the page again or
 * ends with an error, and leaves nothing behind.
 */

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
  expect(profilesOfThisProcess()).toEqual([]);
});

afterAll(() => browser.close());

/** Folders of browsers and rings that this process has made. */
function profilesOfThisProcess(): string[] {
  return ['/dev/shm', '/tmp'].flatMap((folder) =>
    readdirSync(folder).filter((name) => name.startsWith(`stream-kit-${process.pid}-`)),
  );
}

const STAGES = ['launching', 'connecting', 'streaming', 'paused', 'recording'] as const;
const SIGNALS = ['SIGKILL', 'SIGSTOP'] as const;
/** Renderers by age: the one that calibrated, the page's, the capture tab's, one that is kept ready. */
const TARGETS = [
  ...['session process', 'browser', 'GPU process', 'network service', 'audio service', 'zygote'].map(
    (role) => ({ role, index: 0 }),
  ),
  ...[0, 1, 2, 3].map((index) => ({ role: 'other renderer', index })),
] as const;

/** At every stage but `streaming`, where all of them are hit. */
const MAIN_TARGETS = TARGETS.filter(
  ({ role, index }) =>
    ['session process', 'browser', 'GPU process'].includes(role) ||
    (role === 'other renderer' && (index === 1 || index === 2)),
);

/** How long until what was hit must be noticed and mended, ms: a page that hangs is given 10 s here. */
const MENDED_MS = 60_000;

async function reach(stage: (typeof STAGES)[number]): Promise<CreatedSession> {
  const session = await server.create(server.page('mode=counter'));
  if (stage === 'launching') {
    await expect.poll(() => processesOfSessions().some(({ role }) => role === 'browser')).toBe(true);
    return session;
  }
  await server.state(session, ({ status }) => status === 'connecting');
  if (stage === 'connecting') return session;
  viewer = await browser.open(server);
  await viewer.connect(session);
  await viewer.firstPicture();
  if (stage === 'recording') {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${session.url}/recordings`, { method: 'POST', headers, body: '{}' });
    expect(answer.status).toBe(201);
  }
  if (stage === 'paused') {
    await viewer.close();
    viewer = undefined;
    await server.state(session, ({ metadata }) => metadata.video.frameRate === 0);
  }
  return session;
}

function hit(
  { role, index }: (typeof TARGETS)[number],
  signal: NodeJS.Signals,
): SessionProcessEntry | undefined {
  const target = processesOfSessions().filter((entry) => entry.role === role)[index];
  if (target !== undefined) process.kill(target.pid, signal);
  return target;
}

/** It has ended with an error, or a viewer sees the page move. */
async function outcome(session: CreatedSession): Promise<string> {
  const { status, error, metadata } = await server.state(
    session,
    (state) => state.status !== 'initializing',
    MENDED_MS,
  );
  if (status === 'error') {
    expect(error).toBeTypeOf('string');
    return `error: ${error}`;
  }
  if (viewer === undefined) {
    viewer = await browser.open(server);
    await viewer.connect(session);
    await viewer.firstPicture(MENDED_MS);
  }
  const decoded = 'viewer.stats().then(({ video }) => video?.framesDecoded ?? 0)';
  const before = await viewer.read<number>(decoded);
  const ended = "(viewer.closedReason ?? '') !== ''";
  await viewer.until(`${decoded}.then((now) => now > ${before} + 30 || ${ended})`, MENDED_MS);
  const after = await server.state(session, () => true);
  return after.status === 'error'
    ? `error: ${after.error}`
    : `${after.status}, ${after.metadata.restarts} restarts, ${after.metadata.fault?.code ?? metadata.fault?.code ?? 'no fault'}`;
}

for (const stage of STAGES) {
  for (const signal of SIGNALS) {
    test.each(stage === 'streaming' ? TARGETS : MAIN_TARGETS)(
      `${stage}: ${signal} of the $role $index`,
      async (target) => {
        server = await TestServer.start({
          ...{ hangTimeoutMs: 10_000, launchTimeoutMs: 15_000, loadTimeoutMs: 15_000, pauseGraceMs: 500 },
          recording: { directory: `/tmp/stream-kit-faults-${process.pid}` },
        });
        const session = await reach(stage);
        const struck = hit(target, signal);
        const startedMs = performance.now();
        const result = await outcome(session);
        const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
        // The report of this suite: what became of each.
        process.stdout.write(
          `${stage} | ${signal} | ${target.role} ${target.index}${struck === undefined ? ' (none)' : ''} | ${result} | ${seconds} s\n`,
        );
        expect((await fetch(session.url, { method: 'DELETE' })).status).toBe(204);
        if (struck !== undefined) await expect.poll(() => commandLine(struck.pid)).toBe('');
      },
    );
  }
}
