// npm run soak [-- --minutes=60]: a server under a mix of everything, and what it holds over time. Joins come and go at two
// per second, one session is made and ended every six seconds, 100 event streams are never read, a recording begins and ends,
// one session is restarted, another is not, and their sizes change. A WHEP player and a WebSocket viewer of each take pictures all
// the time, and WebRTC viewers that want less come and go, so that rungs do. After a warm-up what the process holds must not grow.
// Prints a report and writes bench-results/soak-<time>.json; ends with 1 where something grows or nothing was watched.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

import { startPages } from '../bench/rig.mjs';
import { play, readStream, watchWith } from './media-viewers.mjs';
import { growth, slopePerHour } from './trend.mjs';

const root = join(import.meta.dirname, '..', '..');
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '3' } } });
const minutes = Number(values.minutes);
if (!(minutes >= 1 && minutes <= 24 * 60)) throw new Error('--minutes is a number from 1 to 1440');

const SAMPLE_MS = 5_000;
/** A line shows every minute how it goes. */
const PROGRESS_SAMPLES = 12;
/** Caches, pools and the code of the just-in-time compiler fill; the state of a session has its log of a minute. */
const WARM_UP_SHARE = 0.4;
const STALLED_STREAMS = 100;
const JOIN_EVERY_MS = 500;
const JOIN_LASTS_MS = 2_000;
const JOINS_AT_ONCE = 8;
const SESSION_EVERY_MS = 6_000;
const CHANGE_EVERY_MS = 20_000;
/** One that wants less stays half of the time, so that its rung is encoded and given up again. */
const WISH_EVERY_MS = 6_000;
const WISH_LASTS_MS = 3_000;
const WISHES = [{ maxHeight: 90 }, { maxBitrateBps: 150_000 }, { maxHeight: 72, maxBitrateBps: 200_000 }];
const LOOK_EVERY_MS = 500;

const MIB = 2 ** 20;
/** From so many minutes on everything of bounded size is full after the warm-up, and each further growth is one for ever. */
const LONG_MINUTES = 30;
/**
 * Most growth per hour; what a long run scatters by; and how much more a shorter one may hold at its end: within it caches,
 * pools and the logs of two WebSockets (8 MiB each) still fill. Something kept of each join shows within three minutes.
 */
const LIMITS = {
  // With what V8 and malloc keep of their largest moments, which differ by as much.
  rss: { perHour: MIB, noise: 24 * MIB, filling: 64 * MIB },
  // Without V8's heap and without buffers, which are judged by what is used of them, and without what malloc keeps free.
  rssRest: { perHour: MIB, noise: 4 * MIB, filling: 48 * MIB },
  heapObjects: { perHour: MIB, noise: 2 * MIB, filling: 16 * MIB },
  // What V8 compiles, again where it had guessed wrong, settles within hours and not minutes: it has a bound instead.
  heapCode: { perHour: 6 * MIB, noise: 2 * MIB, filling: 16 * MIB },
  external: { perHour: MIB, noise: MIB, filling: 20 * MIB },
  arrayBuffers: { perHour: MIB, noise: MIB / 2, filling: 20 * MIB },
  descriptors: { perHour: 0.5, noise: 12, filling: 100 },
  threads: { perHour: 0.5, noise: 4, filling: 16 },
  handles: { perHour: 0.5, noise: 16, filling: 150 },
  series: { perHour: 0.5, noise: 2, filling: 10 },
  nativeObjects: { perHour: 0.5, noise: 16, filling: 100 },
  // The largest of those that run, which is that of the session that is never restarted.
  sessionProcessRss: { perHour: MIB, noise: 24 * MIB, filling: 64 * MIB },
};

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const counts = {
  ...{ joins: 0, sessions: 0, recordings: 0, restarts: 0, resizes: 0, refused: 0 },
  ...{ wishes: 0, rungChanges: 0, packets: 0, chunks: 0 },
};

async function startServer(recordings) {
  const options = {
    maxSessions: 8,
    maxViewersPerSession: 1000,
    metrics: true,
    recording: { directory: recordings },
    rateLimits: false,
    // Rungs are to change whatever else the machine does, and a viewer that has gone is to take its wish along.
    maxRungs: 3,
    viewerReattachMs: 500,
  };
  const words = ['--expose-gc', join(import.meta.dirname, 'server.mjs'), JSON.stringify(options)];
  const child = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('The server has ended');
    return JSON.parse(value);
  };
  const { origin } = await next();
  return {
    origin,
    async sample() {
      child.stdin.write('sample\n');
      return next();
    },
    async close() {
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

async function ask(url, method, body) {
  const response = await fetch(url, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status >= 500 && response.status !== 503) throw new Error(`${method} ${url}: ${text}`);
  if (!response.ok) counts.refused += 1;
  return response.ok && text !== '' ? JSON.parse(text) : undefined;
}

async function create(origin, pages) {
  const created = await ask(`${origin}/`, 'POST', {
    targetUrl: `${pages.origin}/page.html?mode=counter`,
    renderOptions: { resolution: '320x180', frameRate: 15 },
  });
  if (created === undefined) return undefined;
  const session = `${origin}/${created.streamId}`;
  for (let tries = 0; tries < 600; tries++) {
    const state = await ask(session, 'GET');
    if (state === undefined || state.status === 'error') break;
    if (state.status !== 'initializing') return session;
    await sleep(100);
  }
  return session;
}

/** An event stream that takes nothing after its beginning. */
function stall(session) {
  const { hostname, port, pathname } = new URL(session);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  socket.write(`GET ${pathname}/sse?media=none HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`);
  socket.once('data', () => socket.pause());
  return socket;
}

/** A viewer that reads for a while and goes; every second one is offered media, and never answers. */
async function joinFor(session, ms) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), ms);
  const query = counts.joins++ % 2 === 0 ? '' : '?media=none';
  try {
    const response = await fetch(`${session}/sse${query}`, { signal: abort.signal });
    if (!response.ok) counts.refused += 1;
    for await (const part of response.body) void part;
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function change(session, turn, restarts) {
  const sizes = ['320x180', '256x144'];
  await ask(session, 'PATCH', { resolution: sizes[turn % sizes.length] });
  counts.resizes += 1;
  const recording = await ask(`${session}/recordings`, 'POST', {});
  await sleep(4_000);
  if (recording !== undefined) {
    const url = `${session}/recordings/${recording.recordingId}`;
    await ask(url, 'DELETE');
    await ask(`${url}/file`, 'DELETE');
    counts.recordings += 1;
  }
  if (restarts && turn % 3 === 2) {
    await ask(`${session}/restart`, 'POST', {});
    counts.restarts += 1;
  }
}

const onPacket = () => {
  counts.packets += 1;
};

/** A viewer that wants less than the others, for a while. */
async function wish(session) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), WISH_LASTS_MS);
  const wishes = WISHES[counts.wishes++ % WISHES.length];
  const refused = () => {
    counts.refused += 1;
  };
  try {
    await watchWith(session, wishes, { signal: abort.signal, onPacket, refused });
  } finally {
    clearTimeout(timer);
  }
}

/** Counts how often another number of rungs is encoded than before. */
function rungWatch(session) {
  let before;
  return async () => {
    const now = (await ask(session, 'GET'))?.metadata.video?.rungs.length;
    if (before !== undefined && now !== undefined && now !== before) counts.rungChanges += 1;
    before = now ?? before;
  };
}

const errors = [];
let ended = false;
/**
 * Runs `work` again and again until the end, in the background.
 *
 * @param atOnce - a machine that cannot keep up gets no more of them at a time; the turn is left out.
 */
function every(ms, work, atOnce = 1) {
  const running = new Set();
  const timer = setInterval(() => {
    if (running.size >= atOnce) return;
    const task = work()
      .catch((error) => {
        if (!ended) errors.push(String(error));
      })
      .finally(() => running.delete(task));
    running.add(task);
  }, ms);
  return async () => {
    clearInterval(timer);
    await Promise.all(running);
  };
}

const recordings = mkdtempSync(join(tmpdir(), 'soak-'));
const pages = await startPages();
const server = await startServer(recordings);
const samples = [];
let stops = [];
let stalled = [];
const players = [];
try {
  const session = await create(server.origin, pages);
  const steady = await create(server.origin, pages);
  if (session === undefined || steady === undefined) throw new Error('The first sessions were refused');
  stalled = Array.from({ length: STALLED_STREAMS }, () => stall(session));
  let turn = 0;
  for (const each of [session, steady]) {
    players.push(
      await play(each, onPacket),
      readStream(each, () => {
        counts.chunks += 1;
      }),
    );
  }
  stops = [
    every(WISH_EVERY_MS, () => wish(session)),
    every(WISH_EVERY_MS, () => wish(steady)),
    every(LOOK_EVERY_MS, rungWatch(session)),
    every(LOOK_EVERY_MS, rungWatch(steady)),
    every(JOIN_EVERY_MS, () => joinFor(session, JOIN_LASTS_MS), JOINS_AT_ONCE),
    every(JOIN_EVERY_MS, () => joinFor(steady, JOIN_LASTS_MS), JOINS_AT_ONCE),
    every(SESSION_EVERY_MS, async () => {
      const other = await create(server.origin, pages);
      if (other === undefined) return;
      await ask(other, 'DELETE');
      counts.sessions += 1;
    }),
    every(CHANGE_EVERY_MS, async () => {
      const now = turn++;
      await Promise.all([change(session, now, true), change(steady, now, false)]);
    }),
  ];
  const end = performance.now() + minutes * 60_000;
  while (performance.now() < end) {
    await sleep(SAMPLE_MS);
    samples.push({ atMs: performance.now(), ...(await server.sample()) });
    if (samples.length % PROGRESS_SAMPLES === 0)
      console.log(JSON.stringify({ ...samples.at(-1), ...counts }));
  }
} finally {
  ended = true;
  for (const socket of stalled) socket.destroy();
  await Promise.all(stops.map((stop) => stop()));
  for (const stop of players) stop();
  await server.close();
  pages.close();
  rmSync(recordings, { recursive: true, force: true });
}

const rows = Object.entries(LIMITS).map(([name, { perHour, noise, filling }]) => {
  const points = samples
    .slice(Math.floor(samples.length * WARM_UP_SHARE))
    .map((sample) => ({ atMs: sample.atMs, value: sample[name] }));
  const slope = slopePerHour(points);
  // A slope within the scatter of its samples is none.
  const scatter = minutes < LONG_MINUTES ? filling : noise * Math.min(1, minutes / 60) + noise / 4;
  const grows = slope > perHour && growth(points) > scatter;
  const digits = (value) => (perHour >= MIB ? `${(value / MIB).toFixed(2)} MiB` : value.toFixed(1));
  return {
    what: name,
    first: digits(points[0].value),
    last: digits(points.at(-1).value),
    'slope per hour': digits(slope),
    verdict: grows ? 'GROWS' : 'holds',
  };
});
console.table(rows);
const third = Math.max(1, Math.floor(samples.length / 3));
const leastOf = (some, kind) =>
  `${(Math.min(...some.map(({ resident }) => resident[kind])) / MIB).toFixed(1)} MiB`;
console.log('Where resident memory lies: the least of the second third, and of the last');
console.table(
  Object.keys(samples[0].resident).map((kind) => ({
    kind,
    second: leastOf(samples.slice(third, 2 * third), kind),
    last: leastOf(samples.slice(-third), kind),
  })),
);
const delays = samples.map(({ loopDelayP99Ms }) => loopDelayP99Ms).sort((a, b) => a - b);
console.log(`${minutes} min:`, counts, `loop delay p99, median ${delays[delays.length >> 1].toFixed(1)} ms`);
if (errors.length > 0) console.error(`${errors.length} errors, the first:`, ...errors.slice(0, 3));
const results = join(root, 'bench-results');
mkdirSync(results, { recursive: true });
const file = join(results, `soak-${new Date().toISOString().replaceAll(':', '-')}.json`);
writeFileSync(file, JSON.stringify({ minutes, counts, rows, errors, samples }, null, 2));
console.log(file);
for (const what of ['rungChanges', 'packets', 'chunks']) {
  if (counts[what] === 0) errors.push(`No ${what} were seen`);
}
// The threads of the viewers' library do not end by themselves.
process.exit(errors.length > 0 || rows.some(({ verdict }) => verdict === 'GROWS') ? 1 : 0);
