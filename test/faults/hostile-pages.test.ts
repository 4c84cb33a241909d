import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { processesOfSessions } from '../helpers/session-processes.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';
import { HOSTILE_INPUTS } from './hostile-inputs.js';

/** Each hostile page runs beside one healthy session that somebody watches. The figures are printed and prove nothing. */

let server: TestServer;
let browser: ViewerBrowser;
let healthy: CreatedSession;
let viewer: ViewerTab;
const RUN_MS = 6_000;

const pages = createServer((request, response) => {
  request.resume();
  const name = decodeURIComponent((request.url ?? '').slice(1).split('?')[0] ?? '');
  const script = HOSTILE_INPUTS[name];
  response.writeHead(script === undefined ? 404 : 200, { 'content-type': 'text/html' });
  // It is painted first, so that it is captured like any other.
  response.end(
    script === undefined ? '' : `<body>hostile<script>setTimeout(() => { ${script} }, 1500)</script>`,
  );
});

beforeAll(async () => {
  pages.listen(0, '127.0.0.1');
  await once(pages, 'listening');
  browser = await ViewerBrowser.launch();
  server = await TestServer.start({ sessionLimits: { memoryBytes: 1024 * 2 ** 20, cpuWeight: 50 } });
  healthy = await server.create(server.page('mode=counter'), { frameRate: 30 });
  await server.state(healthy, ({ status }) => status === 'connecting');
  viewer = await browser.open(server);
  await viewer.connect(healthy);
  await viewer.firstPicture();
});

afterAll(async () => {
  await viewer.close();
  await server.close();
  await browser.close();
  pages.closeAllConnections();
  pages.close();
  await expect.poll(() => processesOfSessions()).toEqual([]);
});

test.each(Object.keys(HOSTILE_INPUTS))('a page that %s harms no other session', async (name) => {
  const { port } = pages.address() as AddressInfo;
  const hostile = await server.create(`http://127.0.0.1:${port}/${encodeURIComponent(name)}`);
  await server.state(hostile, ({ status }) => status !== 'initializing');
  const delay = monitorEventLoopDelay({ resolution: 5 });
  const decoded = 'viewer.stats().then(({ video }) => video.framesDecoded)';
  const before = await viewer.read<number>(decoded);
  const startedMs = performance.now();
  delay.enable();
  await setTimeout(RUN_MS);
  delay.disable();
  const frames = (await viewer.read<number>(decoded)) - before;
  const framesPerSecond = frames / ((performance.now() - startedMs) / 1000);
  const answer = await fetch(hostile.url);
  const state: any = answer.status === 200 ? await answer.json() : { status: String(answer.status) };
  process.stdout.write(
    `${name} | ${framesPerSecond.toFixed(1)} frames/s | loop p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms | ${state.status} ${state.metadata?.fault?.code ?? state.error ?? ''}\n`,
  );
  expect(frames).toBeGreaterThan(0);
  expect((await server.state(healthy, () => true)).status).toBe('streaming');
  expect([204, 404]).toContain((await fetch(hostile.url, { method: 'DELETE' })).status);
});
