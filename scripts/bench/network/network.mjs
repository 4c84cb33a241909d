// What a viewer sees over bad networks: ours, the direct page peer as it is (D), and allowed to shrink the picture (M),
// in turns through a relay of the bench's own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import {
  launchBrowser,
  openViewer,
  quantile,
  round,
  sleep,
  startDirect,
  startOurs,
  startPages,
} from '../rig.mjs';

const SIZE = { width: 1280, height: 720 };
const FRAME_RATE = 30;
const BITRATE_BPS = 4_000_000;
const SETTLE_MS = 4_000;
const MEASURE_MS = 10_000;
const GAP_MS = 200;

const RTT_50 = { delayMs: 25 };
const both = (down, up = RTT_50) => [{ atMs: 0, down, up }];
/** Of each row what the two directions are like, and when that changes within the measurement. */
const CASES = {
  clean: both({}, {}),
  'loss 1 %, RTT 50': both({ ...RTT_50, loss: 0.01 }),
  'loss 5 %, RTT 50': both({ ...RTT_50, loss: 0.05 }),
  'loss 10 %, RTT 50': both({ ...RTT_50, loss: 0.1 }),
  'loss 5 % both ways': both({ ...RTT_50, loss: 0.05 }, { ...RTT_50, loss: 0.05 }),
  'bursts 2 % of 8': both({ ...RTT_50, burstLoss: 0.02 }),
  'RTT 100': both({ delayMs: 50 }, { delayMs: 50 }),
  'jitter ±20': both({ delayMs: 40, jitterMs: 20 }),
  'reordering 5 %': both({ ...RTT_50, reorder: 0.05 }),
  '2 Mbit/s': both({ ...RTT_50, rateBps: 2e6 }),
  '6→1→6 Mbit/s': [
    { atMs: 0, down: { ...RTT_50, rateBps: 6e6 }, up: RTT_50 },
    { atMs: 2_000, down: { ...RTT_50, rateBps: 1e6 }, up: RTT_50 },
    { atMs: 8_000, down: { ...RTT_50, rateBps: 6e6 }, up: RTT_50 },
  ],
};
const CHANGING_MS = 18_000;

async function startRelay() {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'relay.mjs')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await answers.next()).value);
  const { port } = await next();
  return {
    port,
    async tell(message) {
      child.stdin.write(`${JSON.stringify(message)}\n`);
      return next();
    },
    async close() {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

async function watch(viewer, relay, steps) {
  const { down, up } = steps[0];
  await relay.tell({ down, up });
  await viewer.waitForFunction("document.getElementById('video').videoWidth > 0");
  await sleep(SETTLE_MS);
  await relay.tell({ stats: true });
  const ms = steps.length > 1 ? CHANGING_MS : MEASURE_MS;
  const seen = viewer.evaluate((duration) => window.watch(duration), ms);
  const timers = steps
    .slice(1)
    .map((step) => setTimeout(() => void relay.tell({ down: step.down, up: step.up }), step.atMs));
  try {
    return { ...(await seen), ms, sentBytes: (await relay.tell({ stats: true })).bytesIn };
  } finally {
    timers.forEach(clearTimeout);
  }
}

function summary({ startMs, endMs, shown, presented, sound, ms, sentBytes }) {
  const times = [startMs, ...shown.map(({ atMs }) => atMs), endMs];
  const gaps = times.slice(1).map((at, index) => at - times[index]);
  const ages = shown.flatMap(({ ageMs }) => (ageMs === null || ageMs > 20_000 ? [] : [ageMs]));
  return {
    'shown %': round((100 * shown.length) / ((ms / 1000) * FRAME_RATE)),
    'presented %': round((100 * presented) / ((ms / 1000) * FRAME_RATE)),
    'gaps > 200': gaps.filter((gap) => gap > GAP_MS).length,
    'longest ms': round(Math.max(...gaps), 0),
    'age p50': round(quantile(ages, 0.5), 0),
    'age p95': round(quantile(ages, 0.95), 0),
    height: shown.at(-1)?.height ?? 0,
    'kbit/s': round((sentBytes * 8) / ms, 0),
    'concealed %': sound ? round((100 * sound.concealed) / Math.max(1, sound.samples), 2) : '',
  };
}

async function measureOurs(pages, browser, steps, { audio }) {
  const relay = await startRelay();
  const ours = await startOurs({ capture: 'tab' });
  const viewer = await openViewer(browser, pages.origin);
  try {
    const session = await ours.create(`${pages.origin}/page.html?mode=counter${audio ? '&tone=440' : ''}`, {
      resolution: `${SIZE.width}x${SIZE.height}`,
      frameRate: FRAME_RATE,
      videoCodec: 'h264',
      maxBitrateBps: BITRATE_BPS,
      audio,
    });
    await viewer.exposeFunction('relayTo', (to) => relay.tell({ to }));
    await viewer.evaluate((url, port) => window.attach(url, '', port), session, relay.port);
    return summary(await watch(viewer, relay, steps));
  } finally {
    await viewer.close();
    await ours.close();
    await relay.close();
  }
}

async function measureDirect(pages, browser, steps, motion) {
  const relay = await startRelay();
  const direct = await startDirect({
    targetUrl: `${pages.origin}/page.html?mode=counter`,
    ...SIZE,
    frameRate: FRAME_RATE,
    codec: 'h264',
    bitrateBps: BITRATE_BPS,
  });
  const viewer = await openViewer(browser, pages.origin);
  try {
    await viewer.exposeFunction('relayTo', (to) => relay.tell({ to }));
    await direct.connect(viewer, { relayPort: relay.port, motion });
    return summary(await watch(viewer, relay, steps));
  } finally {
    await viewer.close();
    await direct.close();
    await relay.close();
  }
}

/** Of a case: who shows more with shorter gaps, and by how much. */
function winner(rows) {
  const score = (row) => row['shown %'] - 10 * row['gaps > 200'] - (row['age p95'] || 1000) / 10;
  const [first, second] = rows.toSorted((a, b) => score(b) - score(a));
  return `${first.who} by ${round(first['shown %'] - second['shown %'])} % shown, ${round(second['age p95'] - first['age p95'], 0)} ms`;
}

/** Words in ONLY (case-insensitive, by commas) choose cases, and WHO of ours,D,M the contestants. */
export async function network() {
  const only = process.env.ONLY?.toLowerCase().split(',');
  const who = process.env.WHO?.split(',') ?? ['ours', 'D', 'M'];
  const pages = await startPages();
  const browser = await launchBrowser();
  const rows = [];
  try {
    for (const [name, steps] of Object.entries(CASES)) {
      if (only !== undefined && !only.some((word) => name.toLowerCase().includes(word))) continue;
      const contest = [];
      for (const one of who) {
        const result =
          one === 'ours'
            ? await measureOurs(pages, browser, steps, { audio: true })
            : await measureDirect(pages, browser, steps, one === 'M');
        contest.push({ case: name, who: one, ...result });
      }
      if (contest.length > 1) contest[0].wins = winner(contest);
      rows.push(...contest);
    }
  } finally {
    await browser.close();
    pages.close();
  }
  return {
    title: 'Bad networks',
    note:
      `720p${FRAME_RATE} H.264 at ${BITRATE_BPS / 1e6} Mbit/s through a relay of this bench, ${MEASURE_MS / 1000} s each ` +
      `(${CHANGING_MS / 1000} s where the rate changes). D is Chromium's own sender, M the same with contentHint ` +
      "'motion' and degradationPreference 'balanced'; ours with sound. Targets: loss 5 %: ≥ 99 % shown, no gap > 200 ms; " +
      '2 Mbit/s: 30 frames/s, age p95 ≤ 250 ms; 6→1→6: no gap > 500 ms; concealed ≤ 0.5 % at 5 % loss. Presented: what ' +
      'the browser gave to its display; shown is what of it the page could read, which has no time for two in a row.',
    rows,
  };
}
