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
/** A contestant that is not done by then has failed: what it takes at most, and again so much. */
const PATIENCE_MS = 90_000;

const TEXT_PAGE = '/bench-text.html';

const RTT_50 = { delayMs: 25 };
const both = (down, up = RTT_50) => [{ atMs: 0, down, up }];
/**
 * Of each row what the two directions are like, and when that changes within the measurement; and for some, what other viewers
 * there are, or that the page is text that stands still.
 */
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
  'one bad of four': {
    steps: both(RTT_50),
    others: [RTT_50, RTT_50, { ...RTT_50, rateBps: 500e3 }],
  },
  'page at rest': { steps: both(RTT_50), atRest: true },
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

/** What a page of text that stands still looks like to the viewer from a second after its first picture on. */
async function watchAtRest(viewer, relay, steps, reference) {
  await relay.tell(steps[0]);
  await viewer.waitForFunction("document.getElementById('video').videoWidth > 0");
  await sleep(1000);
  await relay.tell({ stats: true });
  const seen = await viewer.evaluate((image, ms) => window.compare(image, ms), reference, MEASURE_MS);
  const { bytesIn } = await relay.tell({ stats: true });
  return {
    'SSIM after 1 s': round(seen[0], 4),
    'least SSIM': round(Math.min(...seen), 4),
    'last SSIM': round(seen.at(-1), 4),
    'kbit/s': round((bytesIn * 8) / MEASURE_MS, 0),
  };
}

/** The page of text, as the browser of the viewers draws it. */
async function drawText({ browser }, origin) {
  const page = await browser.newPage();
  await page.setViewport(SIZE);
  await page.goto(`${origin}${TEXT_PAGE}`);
  const image = await page.screenshot({ encoding: 'base64' });
  await page.close();
  return `data:image/png;base64,${image}`;
}

/** @param attach joins a viewer, over a relay, to what is measured */
async function measureViewers(pages, browser, { steps, others = [], atRest = false }, attach) {
  const closers = [];
  const join = async () => {
    const relay = await startRelay();
    closers.push(() => relay.close());
    const viewer = await openViewer(browser, pages.origin);
    closers.push(() => viewer.close());
    await viewer.exposeFunction('relayTo', (to) => relay.tell({ to }));
    await attach(viewer, relay.port);
    return { relay, viewer };
  };
  try {
    for (const down of others) {
      const { relay } = await join();
      await relay.tell({ down, up: RTT_50 });
    }
    const reference = atRest ? await drawText(browser, pages.origin) : undefined;
    // The last one that is opened is in front.
    const { relay, viewer } = await join();
    if (reference !== undefined) return await watchAtRest(viewer, relay, steps, reference);
    return summary(await watch(viewer, relay, steps));
  } finally {
    for (const close of closers.reverse()) await close().catch(() => {});
  }
}

async function measureOurs(pages, browser, one) {
  const ours = await startOurs({ capture: 'tab' });
  try {
    const session = await ours.create(
      `${pages.origin}${one.atRest ? TEXT_PAGE : '/page.html?mode=counter&tone=440'}`,
      {
        resolution: `${SIZE.width}x${SIZE.height}`,
        frameRate: FRAME_RATE,
        videoCodec: 'h264',
        maxBitrateBps: BITRATE_BPS,
        audio: !one.atRest,
      },
    );
    return await measureViewers(pages, browser, one, (viewer, port) =>
      viewer.evaluate((url, relayPort) => window.attach(url, '', relayPort), session, port),
    );
  } finally {
    await ours.close();
  }
}

async function measureDirect(pages, browser, one, motion) {
  const direct = await startDirect({
    targetUrl: `${pages.origin}${one.atRest ? TEXT_PAGE : '/page.html?mode=counter'}`,
    ...SIZE,
    frameRate: FRAME_RATE,
    codec: 'h264',
    bitrateBps: BITRATE_BPS,
  });
  try {
    return await measureViewers(pages, browser, one, (viewer, relayPort) =>
      direct.connect(viewer, { relayPort, motion }),
    );
  } finally {
    await direct.close();
  }
}

async function inTime(work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** More of the pictures with shorter gaps, and younger; of a page at rest, closer to it, and for less. */
const score = (row) =>
  'least SSIM' in row
    ? 1000 * row['least SSIM'] - row['kbit/s'] / 100
    : row['presented %'] - 10 * row['gaps > 200'] - (row['age p95'] || 1000) / 10;

const signed = (value, digits) => `${value < 0 ? '−' : '+'}${Math.abs(round(value, digits))}`;

/** Who is best in a case, and by how much against each of the others. */
function verdict(rows) {
  const [first, ...others] = rows.filter((row) => !('failed' in row)).toSorted((a, b) => score(b) - score(a));
  if (first === undefined) return 'nobody: all have failed';
  const margins = others.map((other) => {
    const against = (name, digits = 1) => signed(first[name] - other[name], digits);
    return 'least SSIM' in first
      ? `${other.who}: ${against('least SSIM', 4)} SSIM, ${against('kbit/s', 0)} kbit/s`
      : `${other.who}: ${against('presented %')} % presented, ${against('longest ms', 0)} ms longest gap, ${against('age p95', 0)} ms age p95`;
  });
  return [first.who, ...margins].join('; against ');
}

/** Words in ONLY (case-insensitive, by commas) choose cases, and WHO of ours,D,M the contestants. */
export async function network() {
  const only = process.env.ONLY?.toLowerCase().split(',');
  const who = process.env.WHO?.split(',') ?? ['ours', 'D', 'M'];
  const startedMs = performance.now();
  const pages = await startPages();
  let browser = await launchBrowser();
  const rows = [];
  const measure = async (name, one, contestant) => {
    try {
      const measured =
        contestant === 'ours'
          ? measureOurs(pages, browser, one)
          : measureDirect(pages, browser, one, contestant === 'M');
      return { case: name, who: contestant, ...(await inTime(measured)) };
    } catch (error) {
      // Whatever it was, the next one begins with a browser of its own.
      await browser.close().catch(() => {});
      browser = await launchBrowser();
      return { case: name, who: contestant, failed: String(error?.message ?? error).split('\n', 1)[0] };
    }
  };
  try {
    for (const [name, value] of Object.entries(CASES)) {
      if (only !== undefined && !only.some((word) => name.toLowerCase().includes(word))) continue;
      const one = Array.isArray(value) ? { steps: value } : value;
      const contest = [];
      for (const contestant of who) {
        const row = await measure(name, one, contestant);
        contest.push(row);
        console.log(
          Object.entries(row)
            .map(([column, figure]) => `${column}: ${figure}`)
            .join(', '),
        );
      }
      if (contest.length > 1) {
        contest[0].wins = verdict(contest);
        console.log(`${name}, best: ${contest[0].wins}\n`);
      }
      rows.push(...contest);
    }
  } finally {
    await browser.close().catch(() => {});
    pages.close();
  }
  return {
    title: 'Bad networks',
    note:
      `720p${FRAME_RATE} H.264 at ${BITRATE_BPS / 1e6} Mbit/s through a relay of this bench, ${MEASURE_MS / 1000} s each ` +
      `(${CHANGING_MS / 1000} s where the rate changes). D is Chromium's own sender, M the same with contentHint ` +
      "'motion' and degradationPreference 'balanced'; ours with sound. Targets: loss 5 %: ≥ 99 % shown, no gap > 200 ms; " +
      '2 Mbit/s: 30 frames/s, age p95 ≤ 250 ms; 6→1→6: no gap > 500 ms; concealed ≤ 0.5 % at 5 % loss. Presented: what ' +
      'the browser gave to its display; shown is what of it the page could read, which has no time for two in a row. One bad ' +
      'of four: a viewer on a good link beside two others such and one at 500 kbit/s. At rest: a page of 12 px text from 1 s ' +
      `after its first picture on, against how the browser draws it. Took ${round((performance.now() - startedMs) / 60_000)} minutes.`,
    rows,
    failed: rows.some((row) => 'failed' in row),
  };
}
