// Paint in the page → painted in the viewer, by the time code that the page paints; ours against the direct page peer.
import {
  launchBrowser,
  openViewer,
  quantile,
  round,
  sleep,
  startDirect,
  startOurs,
  startPages,
} from './rig.mjs';

const WIDTH = 1280;
const HEIGHT = 720;
const BITRATE_BPS = 4_000_000;
const ROUNDS = 3;
const WARM_UP_MS = 4_000;
const MEASURE_MS = 10_000;

async function measure(viewer) {
  await sleep(WARM_UP_MS);
  return viewer.evaluate((ms) => window.measure(ms), MEASURE_MS);
}

async function measureOurs(pages, browser, frameRate, audio) {
  const ours = await startOurs({ capture: 'tab' });
  const viewer = await openViewer(browser, pages.origin);
  try {
    const session = await ours.create(`${pages.origin}/page.html?mode=counter${audio ? '&tone=440' : ''}`, {
      resolution: `${WIDTH}x${HEIGHT}`,
      frameRate,
      videoCodec: 'h264',
      maxBitrateBps: BITRATE_BPS,
      audio,
    });
    await viewer.evaluate((url) => window.attach(url), session);
    await sleep(WARM_UP_MS);
    await ours.loopDelay();
    const { samples, unreadable } = await viewer.evaluate((ms) => window.measure(ms), MEASURE_MS);
    const delay = await ours.loopDelay();
    const read = new Map((await ours.frames()).map(([rtpTimestamp, readMs]) => [rtpTimestamp, readMs]));
    const relayMs = samples.flatMap(({ rtpTimestamp, decodedMs }) => {
      const readMs = read.get(rtpTimestamp);
      return readMs === undefined ? [] : [decodedMs - readMs];
    });
    return { samples, unreadable, relayMs, delay };
  } finally {
    await viewer.close();
    await ours.close();
  }
}

async function measureDirect(pages, browser, frameRate) {
  const direct = await startDirect({
    targetUrl: `${pages.origin}/page.html?mode=counter`,
    width: WIDTH,
    height: HEIGHT,
    frameRate,
    codec: 'h264',
    bitrateBps: BITRATE_BPS,
  });
  const viewer = await openViewer(browser, pages.origin);
  try {
    await direct.connect(viewer);
    return await measure(viewer);
  } finally {
    await viewer.close();
    await direct.close();
  }
}

/** @param options.quick - one round, without sound. */
export async function glassToGlass({ quick = false } = {}) {
  const rounds = quick ? 1 : ROUNDS;
  const pages = await startPages();
  const browser = await launchBrowser();
  const rows = [];
  try {
    for (const frameRate of [30, 60]) {
      const ages = { ours: [], direct: [], withSound: [] };
      const relayMs = [];
      const delays = [];
      const pictures = { ours: 0, direct: 0, withSound: 0 };
      const keep = (name, { samples }) => {
        ages[name].push(...samples.map(({ ageMs }) => ageMs));
        pictures[name] += samples.length;
      };
      for (let round = 0; round < rounds; round++) {
        const result = await measureOurs(pages, browser, frameRate, false);
        keep('ours', result);
        relayMs.push(...result.relayMs);
        delays.push(result.delay.p99);
        keep('direct', await measureDirect(pages, browser, frameRate));
        if (!quick) keep('withSound', await measureOurs(pages, browser, frameRate, true));
      }
      const [p50, p95] = [0.5, 0.95].map((share) => ({
        ours: quantile(ages.ours, share),
        direct: quantile(ages.direct, share),
        withSound: quantile(ages.withSound, share),
      }));
      const fps = (name) => round(pictures[name] / ((rounds * MEASURE_MS) / 1000));
      rows.push({
        stream: `720p${frameRate}`,
        'ours p50/p95 ms': `${round(p50.ours)} / ${round(p95.ours)}`,
        'direct p50/p95 ms': `${round(p50.direct)} / ${round(p95.direct)}`,
        'ratio p50': round(p50.ours / p50.direct, 2),
        'ratio p95': round(p95.ours / p95.direct, 2),
        'shown fps ours/direct': `${fps('ours')} / ${fps('direct')}`,
        'relay p50/p95 ms': `${round(quantile(relayMs, 0.5))} / ${round(quantile(relayMs, 0.95))}`,
        'loop delay p99 ms': round(Math.max(...delays)),
        ...(quick
          ? {}
          : { 'ours with sound p50/p95 ms': `${round(p50.withSound)} / ${round(p95.withSound)}` }),
      });
    }
  } finally {
    await browser.close();
    pages.close();
  }
  return {
    title: 'Glass to glass',
    note:
      `Time code painted in the page → painted in the viewer; ${rounds} rounds of ${MEASURE_MS / 1000} s each, in turns; ` +
      'H.264, without sound except in the last column. Relay: raw frame read by our process → decoded in the viewer. ' +
      'Targets: ratio at most 0.9 at 30 and 0.75 at 60 frames/s; relay p50 at most 12 ms; loop delay p99 under 10 ms.',
    rows,
  };
}
