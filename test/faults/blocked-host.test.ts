import { afterAll, beforeAll, expect, test } from 'vitest';

import { TestServer } from '../helpers/test-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

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

test('viewers see every picture while the host blocks its loop for half of each second', async () => {
  const session = await server.create(server.page('mode=counter'), { frameRate: 30 });
  await server.state(session, ({ status }) => status === 'connecting');
  const viewer = await browser.open(server);
  await viewer.connect(session);
  await viewer.firstPicture();
  const gathered = viewer.read<number[]>(`new Promise((resolve) => {
    const times = [];
    const take = (_now, { presentationTime }) => {
      times.push(presentationTime);
      if (times.length < 300) video.requestVideoFrameCallback(take);
      else resolve(times);
    };
    video.requestVideoFrameCallback(take);
  })`);
  const blocking = setInterval(() => {
    for (const end = performance.now() + 500; performance.now() < end;);
  }, 1000);
  const times = await gathered;
  clearInterval(blocking);
  const gaps = times
    .slice(1)
    .map((time, index) => time - (times[index] ?? 0))
    .sort((one, other) => one - other);
  const p99 = gaps[Math.floor(gaps.length * 0.99)] ?? Infinity;
  process.stdout.write(`gaps between pictures: p50 ${gaps[150]?.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms\n`);
  expect(p99).toBeLessThan(500);
});
