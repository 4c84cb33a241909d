// Paint in the page → painted in the viewer, by the time code that the page paints; ours against the direct page peer.
import { joinSession } from './fanout/session-viewers.mjs';
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
const SKEW_MS = 12_000;
/** Simulated viewers beside whom sound waits longest for its picture, to go with it. */
const CROWD = 300;

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
    const { samples, presented } = await viewer.evaluate((ms) => window.measure(ms), MEASURE_MS);
    const delay = await ours.loopDelay();
    const read = new Map((await ours.frames()).map(([rtpTimestamp, readMs]) => [rtpTimestamp, readMs]));
    const relayMs = samples.flatMap(({ rtpTimestamp, decodedMs }) => {
      const readMs = read.get(rtpTimestamp);
      return readMs === undefined ? [] : [decodedMs - readMs];
    });
    return { samples, presented, relayMs, delay };
  } finally {
    await viewer.close();
    await ours.close();
  }
}

async function measureDirect(pages, browser, frameRate, audio) {
  const { direct, viewer } = await openDirect(pages, browser, `mode=counter${audio ? '&tone=440' : ''}`, {
    frameRate,
    audio,
  });
  try {
    return await measure(viewer);
  } finally {
    await viewer.close();
    await direct.close();
  }
}

async function openDirect(pages, browser, query, { frameRate, audio }) {
  const direct = await startDirect({
    targetUrl: `${pages.origin}/page.html?${query}`,
    width: WIDTH,
    height: HEIGHT,
    frameRate,
    codec: 'h264',
    bitrateBps: BITRATE_BPS,
    audio,
  });
  const viewer = await openViewer(browser, pages.origin);
  await direct.connect(viewer);
  return { direct, viewer };
}

/** How much later each beep comes than its flash, ms, from the viewer's first second on. */
const SKEWS = {
  ours: (pages, browser) => oursSkews(pages, browser),
  [`ours beside ${CROWD} others`]: (pages, browser) => oursSkews(pages, browser, CROWD),
  async direct(pages, browser) {
    const { direct, viewer } = await openDirect(pages, browser, 'mode=flash', { frameRate: 30, audio: true });
    try {
      return await viewer.evaluate((ms) => window.measureSkews(ms), SKEW_MS);
    } finally {
      await viewer.close();
      await direct.close();
    }
  },
};

async function oursSkews(pages, browser, crowd = 0) {
  const ours = await startOurs({ capture: 'tab', maxViewersPerSession: crowd + 1 });
  const viewer = await openViewer(browser, pages.origin);
  let others;
  try {
    const session = await ours.create(`${pages.origin}/page.html?mode=flash`, {
      resolution: `${WIDTH}x${HEIGHT}`,
      videoCodec: 'h264',
      maxBitrateBps: BITRATE_BPS,
    });
    others = await joinSession(session, crowd);
    await sleep(WARM_UP_MS);
    await viewer.evaluate((url) => window.attach(url), session);
    return await viewer.evaluate((ms) => window.measureSkews(ms), SKEW_MS);
  } finally {
    others?.close();
    await viewer.close();
    await ours.close();
  }
}

async function lipSync(pages, browser) {
  const rows = [];
  for (const [who, measureSkews] of Object.entries(SKEWS)) {
    const skews = await measureSkews(pages, browser);
    rows.push({
      who,
      beeps: skews.length,
      'first three p50 ms': round(quantile(skews.slice(0, 3), 0.5)),
      'all p50 ms': round(quantile(skews, 0.5)),
      'least … most ms': `${round(Math.min(...skews))} … ${round(Math.max(...skews))}`,
    });
  }
  return {
    name: 'lip-sync',
    title: 'Sound after its picture',
    note:
      `A page flashes and beeps once per second, 720p30: how much later the viewer hears the beep than it sees the flash, both as they ` +
      `leave the receiver's jitter buffers, in its first ${SKEW_MS / 1000} s. Target: 20 to 80 ms.`,
    rows,
  };
}

const WITHOUT_SOUND = { ours: false, direct: false };
const CONTESTANTS = { ...WITHOUT_SOUND, oursWithSound: true, directWithSound: true };

/** @param options.quick - one round, without sound. */
export async function glassToGlass({ quick = false } = {}) {
  const rounds = quick ? 1 : ROUNDS;
  const contestants = Object.entries(quick ? WITHOUT_SOUND : CONTESTANTS);
  const pages = await startPages();
  const browser = await launchBrowser();
  const tables = [];
  try {
    const rows = [];
    for (const frameRate of [30, 60]) {
      const of = Object.fromEntries(
        contestants.map(([name]) => [name, { ages: [], relayMs: [], delays: [], read: 0, presented: 0 }]),
      );
      for (let round = 0; round < rounds; round++) {
        for (const [name, sound] of contestants) {
          const measureOne = name.startsWith('ours') ? measureOurs : measureDirect;
          const {
            samples,
            presented,
            relayMs = [],
            delay,
          } = await measureOne(pages, browser, frameRate, sound);
          of[name].ages.push(...samples.map(({ ageMs }) => ageMs));
          of[name].read += samples.length;
          of[name].presented += presented;
          of[name].relayMs.push(...relayMs);
          if (delay !== undefined) of[name].delays.push(delay.p99);
        }
      }
      const pairs = quick
        ? [['no', of.ours, of.direct]]
        : [
            ['no', of.ours, of.direct],
            ['yes', of.oursWithSound, of.directWithSound],
          ];
      for (const [sound, ours, direct] of pairs) {
        rows.push(
          rowOf({ stream: `720p${frameRate}`, sound, ours, direct, seconds: (rounds * MEASURE_MS) / 1000 }),
        );
      }
    }
    tables.push({
      name: 'glass-to-glass',
      title: 'Glass to glass',
      note:
        `Time code painted in the page → painted in the viewer; ${rounds} rounds of ${MEASURE_MS / 1000} s each, in turns; ` +
        'H.264. Presented: what the browser gave to its display. Relay: raw frame read by our process → decoded in the viewer. Targets: ratio at most 0.6 with sound; without, 0.9 at 30 ' +
        'and 0.75 at 60 frames/s; relay p50 at most 12 ms; loop delay p99 under 10 ms.',
      rows,
    });
    if (!quick) tables.push(await lipSync(pages, browser));
  } finally {
    await browser.close();
    pages.close();
  }
  return tables;
}

function rowOf({ stream, sound, ours, direct, seconds }) {
  const [[p50, p95], [directP50, directP95]] = [ours, direct].map(({ ages }) => [
    quantile(ages, 0.5),
    quantile(ages, 0.95),
  ]);
  return {
    stream,
    sound,
    'ours p50/p95 ms': `${round(p50)} / ${round(p95)}`,
    'direct p50/p95 ms': `${round(directP50)} / ${round(directP95)}`,
    'ratio p50': round(p50 / directP50, 2),
    'ratio p95': round(p95 / directP95, 2),
    'presented fps ours/direct': `${round(ours.presented / seconds)} / ${round(direct.presented / seconds)}`,
    'of them read': `${round(ours.read / seconds)} / ${round(direct.read / seconds)}`,
    'relay p50/p95 ms': `${round(quantile(ours.relayMs, 0.5))} / ${round(quantile(ours.relayMs, 0.95))}`,
    'loop delay p99 ms': round(Math.max(...ours.delays)),
  };
}
