// CPU seconds a second of every process on the sending side; ours against the direct page peer.
import {
  cpuOver,
  launchBrowser,
  openViewer,
  round,
  sleep,
  startDirect,
  startOurs,
  startPages,
} from './rig.mjs';

const WIDTH = 1280;
const HEIGHT = 720;
const FRAME_RATE = 30;
const BITRATE_BPS = 4_000_000;
const VIEWERS = [1, 3, 10];
const WARM_UP_MS = 4_000;
const MEASURE_S = 10;

async function costOfPageAlone(targetUrl) {
  const browser = await launchBrowser([`--window-size=${WIDTH},${HEIGHT}`]);
  try {
    const [page] = await browser.browser.pages();
    await page.setViewport({ width: WIDTH, height: HEIGHT });
    await page.goto(targetUrl);
    await page.bringToFront();
    await sleep(WARM_UP_MS);
    return await cpuOver(browser.pid, MEASURE_S);
  } finally {
    await browser.close();
  }
}

/** Connects `count` viewers by `connect`, and measures the sender's CPU and the frame rate that the last one gets. */
async function measure(browser, origin, count, pid, connect) {
  const viewer = await openViewer(browser, origin);
  try {
    for (let index = 0; index < count; index++) await connect(viewer, index);
    await sleep(WARM_UP_MS);
    const before = await viewer.evaluate(() => window.inbound());
    const cores = await cpuOver(pid, MEASURE_S);
    const after = await viewer.evaluate(() => window.inbound());
    return { cores, fps: (after.framesDecoded - before.framesDecoded) / MEASURE_S };
  } finally {
    await viewer.close();
  }
}

/** A browser opens six connections to a host, and every event stream takes one: the viewers share two names. */
const hostOf = (url, index) => (index % 2 === 0 ? url : url.replace('127.0.0.1', 'localhost'));

export async function costOfRender() {
  const pages = await startPages();
  const targetUrl = `${pages.origin}/page.html?mode=counter`;
  const rows = [];
  try {
    const alone = await costOfPageAlone(targetUrl);
    for (const count of VIEWERS) {
      const browser = await launchBrowser();
      try {
        const ours = await startOurs({ capture: 'tab' });
        const session = await ours.create(targetUrl, {
          resolution: `${WIDTH}x${HEIGHT}`,
          frameRate: FRAME_RATE,
          videoCodec: 'h264',
          maxBitrateBps: BITRATE_BPS,
          audio: false,
        });
        const mine = await measure(browser, pages.origin, count, ours.pid, (viewer, index) =>
          viewer.evaluate((url) => window.attach(url), hostOf(session, index)),
        );
        await ours.close();
        const direct = await startDirect({
          targetUrl,
          width: WIDTH,
          height: HEIGHT,
          frameRate: FRAME_RATE,
          codec: 'h264',
          bitrateBps: BITRATE_BPS,
        });
        const theirs = await measure(browser, pages.origin, count, direct.pid, (viewer) =>
          direct.connect(viewer),
        );
        await direct.close();
        rows.push({
          viewers: count,
          'ours cores': round(mine.cores, 2),
          'direct cores': round(theirs.cores, 2),
          'page alone': round(alone, 2),
          'ratio net of page': round((mine.cores - alone) / (theirs.cores - alone), 2),
          'fps ours/direct': `${round(mine.fps)} / ${round(theirs.fps)}`,
        });
      } finally {
        await browser.close();
      }
    }
  } finally {
    pages.close();
  }
  return {
    title: 'Cost of a render',
    note:
      `CPU of all processes on the sending side, 720p${FRAME_RATE} H.264 without sound, over ${MEASURE_S} s. The viewers ` +
      'run on the same machine: with ten, both sides compete with ten decoders for its cores. ' +
      'Targets, net of the page alone: at most 0.8 at 1 viewer, 0.3 at 3.',
    rows,
  };
}
