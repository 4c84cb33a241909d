// A press in the viewer → the page's answer to it decoded in the viewer; and a mouse that tells its place a thousand times
// a second.
import {
  cpuSeconds,
  launchBrowser,
  openViewer,
  quantile,
  round,
  sleep,
  startOurs,
  startPages,
} from './rig.mjs';

const WIDTH = 1280;
const HEIGHT = 720;
const WARM_UP_MS = 3_000;
const PRESSES = 60;
const MOVES_PER_SECOND = 1_000;
const MOVES_MS = 5_000;

const spread = (samples) => `${round(quantile(samples, 0.5))} / ${round(quantile(samples, 0.95))}`;

async function measure(pages, browser, frameRate) {
  const ours = await startOurs({});
  const viewer = await openViewer(browser, pages.origin);
  try {
    const session = await ours.create(`${pages.origin}/input.html?flash`, {
      resolution: `${WIDTH}x${HEIGHT}`,
      frameRate,
      videoCodec: 'h264',
      audio: false,
    });
    await viewer.evaluate((url) => window.attach(url), session);
    await viewer.waitForFunction("window.channel?.readyState === 'open' && video.videoWidth > 0");
    await sleep(WARM_UP_MS);
    await viewer.evaluate(() => window.press(5));
    const idle = await viewer.evaluate((count) => window.press(count), PRESSES);

    await viewer.evaluate(() => void (window.pageMessages.length = 0));
    await ours.loopDelay();
    const before = cpuSeconds(ours.pid);
    const sent = await viewer.evaluate((...how) => window.move(...how), MOVES_PER_SECOND, MOVES_MS);
    // What was left over would stand before it.
    const [after] = await viewer.evaluate(() => window.press(1));
    const { p99 } = await ours.loopDelay();
    const cores = (cpuSeconds(ours.pid) - before) / (MOVES_MS / 1000);
    await sleep(200);
    const lines = await viewer.evaluate(() => window.pageMessages.flatMap(({ lines: all }) => all));
    const moved = lines.filter((line) => line.startsWith('pointermove')).length;
    return {
      stream: `720p${frameRate}`,
      'press → pixel p50/p95 ms': spread(idle),
      'moves sent /s': Math.round(sent / (MOVES_MS / 1000)),
      'moves the page had /s': Math.round(moved / (MOVES_MS / 1000)),
      'press after them → pixel ms': round(after),
      'loop delay p99 ms': round(p99),
      'cores, browser included': round(cores, 2),
    };
  } finally {
    await viewer.close();
    await ours.close();
  }
}

export async function input() {
  const pages = await startPages();
  const browser = await launchBrowser();
  const rows = [];
  try {
    for (const frameRate of [30, 60]) rows.push(await measure(pages, browser, frameRate));
  } finally {
    await browser.close();
    pages.close();
  }
  return {
    title: 'Input',
    note:
      `${PRESSES} presses over the data channel → the picture in which the page has changed, shown in the viewer; then ` +
      `${MOVES_PER_SECOND} moves a second for ${MOVES_MS / 1000} s and a press right after them.`,
    rows,
  };
}
