import { readdirSync, readFileSync } from 'node:fs';

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

let server: TestServer;
let browser: ViewerBrowser;
let viewer: ViewerTab;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
});

beforeEach(async () => {
  server = await TestServer.start();
  viewer = await browser.open(server);
});

afterEach(async () => {
  await viewer.close();
  await server.close();
});

afterAll(async () => {
  await browser.close();
});

function commandLine(pid: number | string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

/** The processes of the browser whose main process is `pid`. */
function processesOf(pid: number): number[] {
  const profile = /--user-data-dir=([^\0]+)/.exec(commandLine(pid))?.[1];
  if (profile === undefined) return [];
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && commandLine(entry).includes(profile))
    .map(Number);
}

async function live(
  query: string,
  renderOptions: object = {},
): Promise<{ session: CreatedSession; pid: number }> {
  const session = await server.create(server.page(query), renderOptions);
  const state = await server.state(session, ({ status }) => status !== 'initializing');
  expect(state.status).toBe('connecting');
  return { session, pid: state.instanceInfo.pid };
}

test.each([
  [64, 64, 'tab'],
  [1920, 1080, 'tab'],
  [3840, 2160, 'tab'],
  [64, 64, 'screencast'],
  [1920, 1080, 'screencast'],
] as const)('a session of %ix%i by %s reaches the viewer', async (width, height, capture) => {
  await server.close();
  server = await TestServer.start({ capture });
  await viewer.close();
  viewer = await browser.open(server);
  const { session } = await live('mode=counter', { resolution: `${width}x${height}`, frameRate: 30 });
  await viewer.connect(session);
  await viewer.firstPicture();
  await viewer.until(`video.videoWidth === ${width} && video.videoHeight === ${height}`);
  // At 64 pixels a block of the code is two pixels wide: the picture moves, that is all it can tell.
  if (width > 64) await viewer.until('readCode(0) > 0');
  await viewer.until('viewer.stats().then(({ video }) => video.framesDecoded > 3)');
  const { metadata } = await server.state(session, (state) => state.metadata.page !== undefined);
  expect(metadata.page.windowSizes).toEqual([width, height, width, height]);
});

test('the page may navigate', async () => {
  const { session } = await live('mode=static');
  await viewer.connect(session);
  await viewer.until('readCode(0) === 12345');
  await viewer.read("viewer.signal('message', { navigate: '?mode=counter' })");
  await viewer.until('readCode(0) > 0 && readCode(0) !== 12345');
  const state = await server.state(session, ({ metadata }) => metadata.page?.mode === 'counter');
  expect(state.status).toBe('streaming');
});

test('a crashed renderer ends its session with an error, and no other', async () => {
  const [doomed, other] = [await live('mode=counter'), await live('mode=counter')];
  await viewer.connect(doomed.session);
  await viewer.firstPicture();
  const renderers = processesOf(doomed.pid).filter((pid) => commandLine(pid).includes('--type=renderer'));
  expect(renderers.length).toBeGreaterThan(0);
  for (const pid of renderers) process.kill(pid, 'SIGKILL');
  const state = await server.state(doomed.session, ({ status }) => status === 'error');
  expect(state.error).toMatch(/page|browser/i);
  expect(state.error).not.toContain('/');
  await viewer.until("viewer.closedReason === 'error'");
  expect((await server.state(other.session, () => true)).status).toBe('connecting');
  // Viewers are told first; the browser has up to 2 s to end by itself.
  await expect.poll(() => processesOf(doomed.pid), { timeout: 5000 }).toEqual([]);
});

test('a killed browser ends its session with an error', async () => {
  const { session, pid } = await live('mode=counter');
  process.kill(pid, 'SIGKILL');
  const state = await server.state(session, ({ status }) => status === 'error');
  expect(state.error).toBeTypeOf('string');
});

test('a page that hangs ends its session with an error', async () => {
  const { session } = await live('mode=static');
  await viewer.connect(session);
  await viewer.firstPicture();
  await viewer.read("viewer.signal('message', { hang: true })");
  const state = await server.state(session, ({ status }) => status === 'error', 40_000);
  expect(state.error).toMatch(/respond/);
});

test('a page that cannot be loaded is an error with a reason', async () => {
  const session = await server.create('http://127.0.0.1:9/');
  const state = await server.state(session, ({ status }) => status === 'error');
  expect(state.error).toMatch(/ERR_/);
});

test('DELETE tells the viewer and leaves no process and no file', async () => {
  const { session, pid } = await live('mode=counter');
  await viewer.connect(session);
  await viewer.firstPicture();
  const profile = /--user-data-dir=([^\0]+)/.exec(commandLine(pid))?.[1] ?? '';
  expect(processesOf(pid).length).toBeGreaterThan(2);
  expect(readdirSync(profile).length).toBeGreaterThan(0);
  expect(await server.delete(session)).toBe(204);
  await viewer.until("viewer.closedReason === 'deleted'");
  expect(processesOf(pid)).toEqual([]);
  expect(() => readdirSync(profile)).toThrow('ENOENT');
  expect((await fetch(session.url)).status).toBe(404);
});

test('an unwatched session ends by its timeout', async () => {
  await server.close();
  server = await TestServer.start({ sessionTimeout: 500 });
  const session = await server.create(server.page('mode=static'));
  const ends = performance.now() + 15_000;
  // A look is activity, so look only after the timeout.
  let status = 200;
  while (status !== 404 && performance.now() < ends) {
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const response = await fetch(session.url);
    const body: any = await response.json();
    status = response.status === 200 && body.status === 'terminated' ? 404 : response.status;
  }
  expect(status).toBe(404);
});

test('more sessions than allowed are refused with 429', async () => {
  await server.close();
  server = await TestServer.start({ maxSessions: 1 });
  await server.create(server.page('mode=static'));
  const response = await fetch(`${server.origin}/stream`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ targetUrl: server.page('mode=static') }),
  });
  expect(response.status).toBe(429);
  expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(await response.json()).toMatchObject({ error: { code: 'at_capacity' } });
});

test('a snapshot shows the page, in the format and width asked for', async () => {
  const { session } = await live('mode=bars');
  const png = await fetch(`${session.url}/snapshot`);
  expect(png.headers.get('content-type')).toBe('image/png');
  const jpeg = await fetch(`${session.url}/snapshot?format=jpeg&width=160`);
  expect(jpeg.headers.get('content-type')).toBe('image/jpeg');
  const measure = async (response: Response): Promise<{ width: number; height: number; bar: number[] }> => {
    const base64 = Buffer.from(await response.arrayBuffer()).toString('base64');
    const type = response.headers.get('content-type') ?? '';
    return viewer.read(`(async () => {
      const image = new Image();
      image.src = 'data:${type};base64,${base64}';
      await image.decode();
      const canvas = new OffscreenCanvas(image.width, image.height);
      const context = canvas.getContext('2d');
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(image.width * 5.5 / 8, image.height / 2, 1, 1);
      return { width: image.width, height: image.height, bar: [...data.slice(0, 3)] };
    })()`);
  };
  expect(await measure(png)).toEqual({ width: 640, height: 360, bar: [255, 0, 0] });
  const small = await measure(jpeg);
  expect([small.width, small.height]).toEqual([160, 90]);
  expect(Math.abs((small.bar[0] ?? 0) - 255)).toBeLessThan(8);
  expect(Math.max(small.bar[1] ?? 255, small.bar[2] ?? 255)).toBeLessThan(8);
});
