import { afterAll, beforeAll, expect, test } from 'vitest';

import { TestServer } from '../helpers/test-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

const BLOCKED_MS = 500;
const PICTURES = 300;
const FRAME_INTERVAL_MS = 1000 / 30;
/** What was sent before the host blocked its loop has arrived by then. */
const IN_FLIGHT_MS = 150;

let server: TestServer;
let browser: ViewerBrowser;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
  server = await TestServer.start({ mediaPlane: 'native' });
});

afterAll(async () => {
  await server.close();
  await browser.close();
});

const nowMs = (): number => performance.timeOrigin + performance.now();

test('viewers see every picture while the host blocks its loop for half of each second', async () => {
  const session = await server.create(server.page('mode=counter'), { frameRate: 30 });
  await server.state(session, ({ status }) => status === 'connecting');
  const viewer = await browser.open(server);
  await viewer.connect(session);
  await viewer.firstPicture();
  const gathered = viewer.read<number[]>(`new Promise((resolve) => {
    const times = [];
    const take = (nowMs) => {
      times.push(performance.timeOrigin + nowMs);
      if (times.length < ${PICTURES}) video.requestVideoFrameCallback(take);
      else resolve(times);
    };
    video.requestVideoFrameCallback(take);
  })`);
  const blocks: { startMs: number; endMs: number }[] = [];
  const blocking = setInterval(() => {
    const startMs = nowMs();
    while (nowMs() < startMs + BLOCKED_MS);
    blocks.push({ startMs, endMs: nowMs() });
  }, 1000);
  const times = await gathered;
  clearInterval(blocking);
  const gaps = times
    .slice(1)
    .map((time, index) => time - (times[index] ?? 0))
    .sort((one, other) => one - other);
  const gap = (percentile: number): number => gaps[Math.floor(gaps.length * percentile)] ?? Infinity;
  process.stdout.write(
    `gaps between pictures: p50 ${gap(0.5).toFixed(0)} ms, p99 ${gap(0.99).toFixed(0)} ms, longest ${gap(1 - 1 / gaps.length).toFixed(0)} ms\n`,
  );
  const seen = blocks.filter(({ endMs }) => endMs < (times.at(-1) ?? 0));
  expect(seen.length).toBeGreaterThan(5);
  for (const { startMs, endMs } of seen) {
    // Media that crossed the host's JavaScript would stand still here.
    const within = times.filter((time) => time > startMs + IN_FLIGHT_MS && time < endMs);
    expect(within.length).toBeGreaterThan(0);
  }
  if ((process.env.STREAM_KIT_ASSERT_FIGURES ?? '') !== '')
    expect(gap(0.99)).toBeLessThan(2 * FRAME_INTERVAL_MS);
});
