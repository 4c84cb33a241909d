// One rendered page, one browser that looks at it, and more and more simulated viewers beside it, over either media plane:
// neither the latency nor the cost of the render may show their number.
import { joinSession } from './fanout/session-viewers.mjs';
import { cpuOver, launchBrowser, openViewer, quantile, round, sleep, startOurs, startPages } from './rig.mjs';

const BITRATE_BPS = 4_000_000;
const WARM_UP_MS = 4_000;
const PLANES = { native: [1, 10, 100], werift: [1, 10] };
const ROUNDS = 2;
const MEASURE_MS = 10_000;

async function measure(pages, browser, mediaPlane, viewers, measureMs) {
  const ours = await startOurs({ mediaPlane, capture: 'tab' });
  const viewer = await openViewer(browser, pages.origin);
  let others;
  try {
    const session = await ours.create(`${pages.origin}/page.html?mode=counter`, {
      resolution: '1280x720',
      frameRate: 30,
      videoCodec: 'h264',
      maxBitrateBps: BITRATE_BPS,
      audio: false,
    });
    await viewer.evaluate((url) => window.attach(url), session);
    others = await joinSession(session, viewers - 1);
    await sleep(WARM_UP_MS);
    others.restartCounts();
    await ours.loopDelay();
    const [{ samples }, cores] = await Promise.all([
      viewer.evaluate((ms) => window.measure(ms), measureMs),
      cpuOver(ours.pid, measureMs / 1000),
    ]);
    const { lost } = others.totals();
    const delay = await ours.loopDelay();
    const read = new Map((await ours.frames()).map(([rtpTimestamp, readMs]) => [rtpTimestamp, readMs]));
    const relayMs = samples.flatMap(({ rtpTimestamp, decodedMs }) => {
      const readMs = read.get(rtpTimestamp);
      return readMs === undefined ? [] : [decodedMs - readMs];
    });
    return { agesMs: samples.map(({ ageMs }) => ageMs), relayMs, cores, lost, loopP99Ms: delay.p99 };
  } finally {
    others?.close();
    await viewer.close();
    await ours.close();
  }
}

export async function manyViewers({ quick = false } = {}) {
  const pages = await startPages();
  const browser = await launchBrowser();
  const measureMs = quick ? 3_000 : MEASURE_MS;
  const cases = Object.entries(PLANES).flatMap(([plane, counts]) =>
    counts.map((viewers) => ({ plane, viewers, results: [] })),
  );
  try {
    for (let turn = 0; turn < (quick ? 1 : ROUNDS); turn++) {
      for (const { plane, viewers, results } of cases) {
        results.push(await measure(pages, browser, plane, viewers, measureMs));
      }
    }
  } finally {
    await browser.close();
    pages.close();
  }
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const rows = cases.map(({ plane, viewers, results }) => {
    const agesMs = results.flatMap((result) => result.agesMs);
    const relayMs = results.flatMap((result) => result.relayMs);
    return {
      plane,
      viewers,
      'glass to glass p50/p95 ms': `${round(quantile(agesMs, 0.5))} / ${round(quantile(agesMs, 0.95))}`,
      'relay p50/p95 ms': `${round(quantile(relayMs, 0.5))} / ${round(quantile(relayMs, 0.95))}`,
      'cores, server and page': round(mean(results.map(({ cores }) => cores)), 2),
      'packets lost': results.reduce((sum, { lost }) => sum + lost, 0),
      'loop delay p99 ms': round(Math.max(...results.map(({ loopP99Ms }) => loopP99Ms))),
    };
  });
  return {
    title: 'One render, many viewers',
    note:
      `720p30 H.264 at ${BITRATE_BPS / 1e6} Mbit/s at most; one viewer is a browser on the same cores, all others are ` +
      `simulated; ${quick ? 1 : ROUNDS} rounds of ${measureMs / 1000} s, in turns.`,
    rows,
  };
}
