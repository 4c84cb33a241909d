// Paint in the page → raw picture in the process that encodes, by the time code that the page paints. Each start is a browser of its own:
// the phase between the page and the capturer is another one each time.
import { join } from 'node:path';

import { quantile, round, sleep, startPages } from './rig.mjs';

const dist = (path) => import(join(import.meta.dirname, '..', '..', 'dist', path));
const FORMATS = [
  { name: '720p30', width: 1280, height: 720, frameRate: 30 },
  { name: '720p60', width: 1280, height: 720, frameRate: 60 },
  { name: '1080p60', width: 1920, height: 1080, frameRate: 60 },
  { name: '1440p60', width: 2560, height: 1440, frameRate: 60 },
];
const STARTS = 5;
const WARM_UP_MS = 3_000;
const MEASURE_MS = 4_000;
const PATIENCE_MS = 30_000;

/** @param options.quick - one start each. */
export async function capture({ quick = false } = {}) {
  const pages = await startPages();
  const rows = [];
  try {
    for (const format of FORMATS) {
      const starts = [];
      for (let start = 0; start < (quick ? 1 : STARTS); start++)
        starts.push(await measure(format, `${pages.origin}/page.html?mode=counter`));
      const medians = starts.map(({ ages }) => quantile(ages, 0.5));
      const all = starts.flatMap(({ ages }) => ages);
      rows.push({
        format: format.name,
        'p50 ms': round(quantile(all, 0.5)),
        'p95 ms': round(quantile(all, 0.95)),
        'p50 of each start': medians.map((ms) => round(ms, 0)).join(' '),
        'frames/s': round(
          starts.reduce((sum, { ages }) => sum + ages.length, 0) / ((starts.length * MEASURE_MS) / 1000),
        ),
        pictures: starts[0].format,
      });
    }
  } finally {
    pages.close();
  }
  return {
    title: 'Capture',
    note:
      `Paint in the page → raw picture copied by the process that encodes, ${quick ? 1 : STARTS} starts of ${MEASURE_MS / 1000} s each. ` +
      'Target on a machine with a GPU: p50 of at most 25 ms at 1080p60 and 1440p60.',
    rows,
  };
}

async function measure({ width, height, frameRate }, targetUrl) {
  const { createOpenCapture } = await dist('render/capture/open-capture.js');
  const { openFrameReader } = await dist('render/capture/open-frame-reader.js');
  const { createProfileDirectory } = await dist('render/capture/profile-directory.js');
  const { audioFileBytes, frameRingLayout, videoFileBytes } = await dist('render/capture/frame-ring.js');
  const { silentLogger } = await dist('base/logger.js');
  const { DEFAULT_TARGET_POLICY } = await dist('options/target-policy-options.js');
  const layout = frameRingLayout(width, height);
  const open = createOpenCapture({
    ...{ launchOptions: await launchOptions(), capture: 'tab', launchTimeoutMs: PATIENCE_MS },
    ...{ loadTimeoutMs: PATIENCE_MS, hangTimeoutMs: PATIENCE_MS, logger: silentLogger },
    profileDirectory: await createProfileDirectory(videoFileBytes(layout) + audioFileBytes(layout)),
    targetPolicy: { ...DEFAULT_TARGET_POLICY, allowPrivateAddresses: true },
  });
  const listener = new Proxy({}, { get: () => () => undefined });
  const capturing = await open(
    { targetUrl, width, height, deviceScaleFactor: 1, frameRate, audio: false, initialData: null },
    listener,
    AbortSignal.timeout(PATIENCE_MS),
  );
  const ages = [];
  let format;
  let measures = false;
  const planes = { i420: [width * height, (width * height) / 4, (width * height) / 4] };
  planes.nv12 = [width * height, (width * height) / 2];
  const buffers = Object.fromEntries(
    Object.entries(planes).map(([name, sizes]) => [name, sizes.map((bytes) => new Uint8Array(bytes))]),
  );
  const reader = openFrameReader(capturing.video, () => {
    const frame = reader.next();
    if (frame === undefined || !frame.copyTo(buffers[frame.format]) || !measures) return;
    format = frame.format;
    const paintedMs = readTime(buffers[frame.format][0], width);
    const nowMs = Math.round(performance.timeOrigin + performance.now());
    if (paintedMs !== undefined) ages.push((nowMs - paintedMs) >>> 0);
  });
  try {
    await sleep(WARM_UP_MS);
    measures = true;
    await sleep(MEASURE_MS);
    measures = false;
    return { ages, format };
  } finally {
    reader.close();
    await capturing.close();
  }
}

/** As a server on this machine would launch it. */
async function launchOptions() {
  const { GraphicsSelection } = await dist('render/graphics/graphics-selection.js');
  const { silentLogger } = await dist('base/logger.js');
  const { findBrowser } = await dist('render/capture/browser-discovery.js');
  const graphics = new GraphicsSelection({ gpu: 'auto', launchOptions: {}, logger: silentLogger });
  await graphics.ready();
  return { executablePath: await findBrowser(), ...graphics.launchOptions({}, graphics.take()?.device) };
}

/** The time that the page has painted: the value in one row of blocks, its complement in the next. Undefined: it cannot be read. */
function readTime(luma, width) {
  const block = width / 32;
  const bits = (row) => {
    let value = 0;
    for (let bit = 0; bit < 32; bit++) {
      const at = Math.floor((row + 1) * block) * width + Math.floor((bit + 0.5) * block);
      value = (value << 1) | (luma[at] > 128 ? 1 : 0);
    }
    return value >>> 0;
  };
  const value = bits(4);
  return bits(6) === ~value >>> 0 ? value : undefined;
}
