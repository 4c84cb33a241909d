import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { until } from '../helpers/patience.js';
import { profilesOf } from '../helpers/server-process.js';
import {
  commandLine,
  FFMPEG,
  processesOfSessions,
  type ProcessRole,
  type SessionProcessEntry,
} from '../helpers/session-processes.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

/**
 * Kills and stops every kind of process of a session at every stage of it. Whatever is hit, who watched the page sees it move
 * again over the same connection, the state says what it was, and nothing is left behind. Only a session that has not begun
 * may end for good.
 */

const STAGES = ['launching', 'connecting', 'streaming', 'paused', 'recording'] as const;
type Stage = (typeof STAGES)[number];

interface Target {
  readonly role: ProcessRole;
  /** Among those of its role, oldest first. */
  readonly index: number;
  /** What the state may say was at fault after SIGKILL, and after SIGSTOP; null: nothing was. */
  readonly killed: readonly (string | null)[];
  readonly stopped: readonly (string | null)[];
  /** The page goes on as it was, once it was there. */
  readonly keepsPage?: true;
}

/** A renderer that is not the page's is missed by nobody. */
const RENDERER_FAULTS = { killed: [null, 'browser_crashed'], stopped: [null, 'browser_hung'] };
const TARGETS: readonly Target[] = [
  { role: 'session process', index: 0, killed: ['browser_crashed'], stopped: ['browser_hung'] },
  { role: 'browser', index: 0, killed: ['browser_crashed'], stopped: ['browser_hung'] },
  { role: 'GPU process', index: 0, killed: [null], stopped: ['gpu_hung'], keepsPage: true },
  {
    ...{ role: 'capture renderer', index: 0, killed: ['capture_failed'], stopped: ['capture_stalled'] },
    keepsPage: true,
  },
  // By age: the page's, and one that is kept ready.
  { role: 'other renderer', index: 0, ...RENDERER_FAULTS },
  { role: 'other renderer', index: 1, ...RENDERER_FAULTS },
  { role: 'network service', index: 0, killed: [null], stopped: [null] },
  {
    ...{ role: 'audio service', index: 0, killed: ['sound_lost', null], stopped: ['sound_lost', null] },
    keepsPage: true,
  },
  { role: 'zygote', index: 0, killed: [null, 'browser_crashed'], stopped: [null] },
];
/** At every stage but `streaming`, where all of them are hit. */
const MAIN_TARGETS = TARGETS.slice(0, 6);
/** It is there while somebody watches or records. */
const FFMPEG_CHILD: Target = {
  ...{ role: 'FFmpeg child', index: 0, killed: [null], stopped: [null], keepsPage: true },
};

function targetsAt(stage: Stage): readonly Target[] {
  if (stage === 'streaming') return [...TARGETS, FFMPEG_CHILD];
  return stage === 'recording' ? [...MAIN_TARGETS, FFMPEG_CHILD] : MAIN_TARGETS;
}

let server: TestServer;
let browser: ViewerBrowser;
let viewer: ViewerTab | undefined;
const recordings = join(tmpdir(), `stream-kit-faults-${process.pid}`);

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
});

afterEach(async () => {
  await viewer?.close();
  viewer = undefined;
  await server.close();
  await until(() => expect(processesOfSessions()).toEqual([]));
  // Profiles with their shared memory.
  expect(profilesOf(process.pid)).toEqual([]);
});

afterAll(async () => {
  await browser.close();
  await rm(recordings, { recursive: true, force: true });
});

async function connectViewer(session: CreatedSession): Promise<void> {
  viewer = await browser.open(server);
  await viewer.connect(session);
  await viewer.firstPicture();
}

async function reach(stage: Stage, target: Target): Promise<CreatedSession> {
  const session = await server.create(server.page('mode=counter'));
  if (stage === 'launching') {
    // As soon as it is there; some come with the last steps of a launch.
    await server.state(
      session,
      ({ status }) => status !== 'initializing' || (hasBrowser() && find(target) !== undefined),
    );
    return session;
  }
  await server.state(session, ({ status }) => status === 'connecting');
  if (stage === 'connecting') return session;
  await connectViewer(session);
  // On a machine that is too busy for it, another encoder has taken its place by then.
  if (target === FFMPEG_CHILD)
    await server.state(session, ({ metadata }) => metadata.video?.encoder !== undefined);
  if (stage === 'recording') {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${session.url}/recordings`, { method: 'POST', headers, body: '{}' });
    expect(answer.status).toBe(201);
  }
  if (stage === 'paused') {
    await viewer?.close();
    viewer = undefined;
    await server.state(session, ({ metadata }) => metadata.video.frameRate === 0);
  }
  return session;
}

/** The process that is kept ready for the next session has none. */
function hasBrowser(): boolean {
  return processesOfSessions().some(({ role }) => role === 'browser');
}

function find({ role, index }: Target): SessionProcessEntry | undefined {
  return processesOfSessions().filter((entry) => entry.role === role)[index];
}

function hit(wanted: Target, signal: NodeJS.Signals): SessionProcessEntry | undefined {
  const target = find(wanted);
  if (target !== undefined) process.kill(target.pid, signal);
  return target;
}

/**
 * Runs in the viewer's page: resolves when the picture has changed from each look to the next for two seconds, or when the
 * viewer has been told that it is over. A page that stands still is sent again and again, so decoded frames prove nothing.
 */
const WATCH = `new Promise((resolve) => {
  const canvas = new OffscreenCanvas(160, 90);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  let last = 0;
  let changes = 0;
  const timer = setInterval(() => {
    context.drawImage(video, 0, 0, 160, 90);
    const { data } = context.getImageData(0, 0, 160, 90);
    const sum = data.reduce((total, value, index) => (total * 31 + value + index) % 1000003, 7);
    changes = sum === last ? 0 : changes + 1;
    last = sum;
    if (changes < 8 && (viewer.closedReason ?? '') === '') return;
    clearInterval(timer);
    resolve(changes);
  }, 250);
})`;

/** The state once the viewer sees the page move. */
async function seesItMove(session: CreatedSession): Promise<any> {
  await viewer?.read(WATCH);
  return server.state(session, () => true);
}

for (const stage of STAGES) {
  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    test.each(targetsAt(stage))(`${stage}: ${signal} of the $role $index`, async (target) => {
      server = await TestServer.start({
        ...{ hangTimeoutMs: 8_000, loadTimeoutMs: 30_000, pauseGraceMs: 500 },
        recording: { directory: recordings },
        ...(target === FFMPEG_CHILD ? { ffmpegPath: FFMPEG, encoder: { h264: 'libx264' } } : {}),
      });
      const session = await reach(stage, target);
      const allowed = signal === 'SIGKILL' ? target.killed : target.stopped;
      const struck = hit(target, signal);
      const startedMs = performance.now();
      // Someone who has a picture may see more of those under way before the fault shows: it is waited for where it must.
      if (struck !== undefined && viewer !== undefined && !allowed.includes(null))
        await server.state(session, ({ metadata }) => metadata.fault !== null, 60_000);
      let state = await server.state(session, ({ status }) => status !== 'initializing', 60_000);
      if (state.status !== 'error') {
        if (viewer === undefined) await connectViewer(session);
        state = await seesItMove(session);
      }
      const { status, error, metadata } = state;
      const fault: string | null = metadata.fault?.code ?? null;
      // The report of this suite: what became of each.
      process.stdout.write(
        `${stage} | ${signal} | ${target.role} ${target.index}${struck === undefined ? ' (none)' : ''} | ${status} ${error ?? ''} ` +
          `| ${metadata.restarts} restarts | ${fault ?? 'no fault'} | ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n`,
      );
      if (stage === 'launching' && status === 'error') {
        expect(error).not.toBe('');
      } else {
        expect(status).toBe('streaming');
        expect(await viewer?.read('[viewer.offers, viewer.closedReason ?? null]')).toEqual([1, null]);
        if (stage === 'streaming' || stage === 'recording') expect(allowed).toContain(fault);
        if (stage !== 'launching' && target.keepsPage) expect(metadata.restarts).toBe(0);
      }
      if (stage === 'recording') {
        const answer = await fetch(`${session.url}/recordings`);
        expect(answer.status).toBe(200);
      }
      expect(await server.delete(session)).toBe(204);
      if (struck !== undefined) await until(() => expect(commandLine(struck.pid)).toBe(''));
    });
  }
}
