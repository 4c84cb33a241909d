import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { processesOfSessions } from '../helpers/session-processes.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

let server: TestServer;
let browser: ViewerBrowser;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
});

afterEach(async () => {
  await server.close();
  await expect.poll(() => processesOfSessions()).toEqual([]);
});

afterAll(() => browser.close());

async function metric(name: string): Promise<number> {
  const line = (await server.router.metrics()).split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}

const browsers = (): number[] =>
  processesOfSessions()
    .filter(({ role }) => role === 'browser')
    .map(({ pid }) => pid);

async function spareReady(): Promise<void> {
  await expect.poll(() => metric('stream_kit_pool_ready')).toBe(1);
}

test('a spare becomes the session that is asked for, and one that dies is replaced', async () => {
  server = await TestServer.start({ pool: { size: 1 } });
  await spareReady();
  const [killed = 0] = browsers();
  process.kill(killed, 'SIGKILL');
  const replacement = (): number[] => browsers().filter((pid) => pid !== killed);
  await expect.poll(replacement).toHaveLength(1);
  await spareReady();
  const spares = replacement();

  // The spare has the size and the time zone of neither.
  const page = `${server.origin}/fixtures/warm.html`;
  const timezone = 'Pacific/Auckland';
  // The one is still being opened when the other comes.
  const warm = await server.create(page, { resolution: '480x270', timezone }, 'warm');
  const other = await server.create(page, {}, 'other');
  const found = async (session: CreatedSession): Promise<unknown> =>
    (await server.state(session, ({ metadata }) => metadata.page?.found !== undefined)).metadata.page.found;
  expect(await found(warm)).toEqual({ name: 'warm', size: [480, 270], history: 1, timezone });
  expect(await found(other)).toMatchObject({ name: 'other', size: [640, 360], history: 1 });
  const taken = 'stream_kit_pool_takes_total';
  // It counts once the page is there, which may have told of itself before.
  await expect.poll(() => metric(`${taken}{outcome="hit"}`)).toBe(1);
  expect(await metric(`${taken}{outcome="miss"}`)).toBe(1);

  const viewer = await browser.open(server);
  await viewer.connect(warm);
  await viewer.until('window.video.videoWidth === 480 && window.video.videoHeight === 270');
  await viewer.close();
  // A spare serves once: its browser ends with its session.
  expect(browsers()).toEqual(expect.arrayContaining(spares));
  await server.delete(warm);
  expect(browsers()).not.toEqual(expect.arrayContaining(spares));
});
