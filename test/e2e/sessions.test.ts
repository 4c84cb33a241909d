import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

import { createSelfSignedCertificate } from 'werift';

import type { SessionUsage, StreamSessionState } from '../../src/index.js';
import { pageGeometry } from '../../src/render/capture/page-geometry.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

let server: TestServer;
let browser: ViewerBrowser;
let viewer: ViewerTab | undefined;
/** Begun before the other tests, since to notice it takes the server a quarter of a minute. */
let hanging: Promise<{ server: TestServer; ended: Promise<StreamSessionState> }>;
/** Takes requests and does not answer. */
const silent = createServer(() => undefined);

beforeAll(async () => {
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  browser = await ViewerBrowser.launch();
  hanging = hang();
  hanging.catch(() => undefined);
});

beforeEach(async () => {
  // What ends a session, rather than how it comes back.
  server = await TestServer.start({ restart: false });
});

afterEach(async () => {
  await viewer?.close();
  viewer = undefined;
  await server.close();
});

afterAll(async () => {
  await (await hanging).server.close();
  await browser.close();
  silent.closeAllConnections();
  silent.close();
});

/** A session whose page, once it is seen, waits in its only thread for an answer that does not come. */
async function hang(): typeof hanging {
  const own = await TestServer.start({ restart: false, hangTimeoutMs: 15_000 });
  const session = await own.create(own.page('mode=static'));
  const witness = await browser.open(own);
  await witness.connect(session);
  await witness.firstPicture();
  const { port } = silent.address() as AddressInfo;
  await witness.read(`viewer.signal('message', { hang: 'http://127.0.0.1:${port}/' })`);
  // Watched from now on: the server forgets it some time after its end.
  const ended = own.state(session, ({ status }) => status === 'error', 90_000);
  ended.catch(() => undefined);
  return { server: own, ended };
}

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

/** The same, and a viewer that sees it. */
async function watched(
  query: string,
  renderOptions: object = {},
): Promise<{ session: CreatedSession; pid: number; viewer: ViewerTab }> {
  const [session, tab] = await Promise.all([live(query, renderOptions), browser.open(server)]);
  viewer = tab;
  await tab.connect(session.session);
  await tab.firstPicture();
  return { ...session, viewer: tab };
}

test.each([
  [64, 64, 3, 'tab'],
  [3840, 2160, 1, 'tab'],
  [64, 64, 1, 'screencast'],
  [1080, 1920, 2.625, 'screencast'],
] as const)(
  'a session of %ix%i at a factor of %d by %s reaches the viewer',
  async (width, height, factor, capture) => {
    await server.close();
    server = await TestServer.start({ capture });
    const { session, viewer } = await watched('mode=counter', {
      resolution: `${width}x${height}`,
      frameRate: 30,
      deviceScaleFactor: factor,
    });
    await viewer.until(`video.videoWidth === ${width} && video.videoHeight === ${height}`);
    // At 64 pixels a block of the code is two pixels wide: the picture moves, that is all it can tell.
    if (width > 64) await viewer.until('readCode(0) > 0');
    await viewer.until('viewer.stats().then(({ video }) => video.framesDecoded > 3)');
    const { metadata } = await server.state(session, (state) => state.metadata.page !== undefined);
    const { viewport } = pageGeometry({ width, height }, factor);
    const sizes = [viewport.width, viewport.height];
    expect(metadata.page.windowSizes).toEqual([...sizes, ...sizes]);
  },
);

test('the page may navigate', async () => {
  const { session, viewer } = await watched('mode=static');
  await viewer.until('readCode(0) === 12345');
  await viewer.read("viewer.signal('message', { navigate: '?mode=counter' })");
  await viewer.until('readCode(0) > 0 && readCode(0) !== 12345');
  const state = await server.state(session, ({ metadata }) => metadata.page?.mode === 'counter');
  expect(state.status).toBe('streaming');
});

test('a crashed renderer ends its session with an error, and no other', async () => {
  const [doomed, other] = await Promise.all([watched('mode=counter'), live('mode=counter')]);
  const renderers = processesOf(doomed.pid).filter((pid) => commandLine(pid).includes('--type=renderer'));
  expect(renderers.length).toBeGreaterThan(0);
  for (const pid of renderers) process.kill(pid, 'SIGKILL');
  const state = await server.state(doomed.session, ({ status }) => status === 'error');
  expect(state.error).toMatch(/page|browser/i);
  expect(state.error).not.toContain('/');
  await doomed.viewer.until("viewer.closedReason === 'error'");
  expect((await server.state(other.session, () => true)).status).toBe('connecting');
  // Viewers are told first; the browser has up to 2 s to end by itself.
  await expect.poll(() => processesOf(doomed.pid)).toEqual([]);
});

test('a killed browser ends its session with an error', async () => {
  const { session, pid } = await live('mode=counter');
  process.kill(pid, 'SIGKILL');
  const state = await server.state(session, ({ status }) => status === 'error');
  expect(state.error).toBeTypeOf('string');
});

test('a target that cannot be shown is an error that says what to do', async () => {
  const { certPem: cert, keyPem: key } = await createSelfSignedCertificate({ hash: 4, signature: 3 });
  const untrusted = createTlsServer({ cert, key }, ({ headers, url }, response) => {
    const isKnown = headers.authorization === `Basic ${Buffer.from('user:pass').toString('base64')}`;
    if (url === '/known' && !isKnown) response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' });
    response.end('page');
  });
  untrusted.listen(0, '127.0.0.1');
  await once(untrusted, 'listening');
  const { port } = untrusted.address() as AddressInfo;
  try {
    const attachment = encodeURIComponent('attachment; filename=a.zip');
    const fails = async (target: string, advice: string): Promise<void> => {
      const session = await server.create(target);
      const state = await server.state(session, ({ status }) => status !== 'initializing');
      expect([target, state.status, state.error]).toEqual([target, 'error', expect.stringContaining(advice)]);
    };
    // Not all at once: each is a browser.
    await Promise.all([
      fails(`${server.origin}/status/204`, 'download or has no content'),
      fails(`${server.origin}/attachment?disposition=${attachment}`, 'download or has no content'),
    ]);
    await Promise.all([
      fails(`${server.origin}/status/401`, 'page.httpCredentials'),
      fails(`https://127.0.0.1:${port}/`, 'page.ignoreCertificateErrors'),
    ]);
    await fails('http://name.invalid/', 'check the host name');

    // With the options that the errors name it is shown.
    await server.close();
    server = await TestServer.start({
      restart: false,
      page: {
        ignoreCertificateErrors: ['127.0.0.1'],
        httpCredentials: { username: 'user', password: 'pass' },
      },
    });
    const session = await server.create(`https://127.0.0.1:${port}/known`);
    const { status } = await server.state(session, ({ status }) => status !== 'initializing');
    expect(status).toBe('connecting');
    const page = await server.router.sessions.get(session.id).page();
    expect(await page.evaluate('document.body.textContent')).toBe('page');
    await fails(`https://localhost:${port}/`, 'page.ignoreCertificateErrors');
  } finally {
    untrusted.closeAllConnections();
    untrusted.close();
  }
});

test('DELETE tells the viewer, answers what was used, and leaves no process and no file', async () => {
  const temporary = (): string[] => readdirSync(tmpdir()).filter((name) => name.includes('Chromium'));
  const before = temporary();
  const { session, pid, viewer } = await watched('mode=counter');
  const profile = /--user-data-dir=([^\0]+)/.exec(commandLine(pid))?.[1] ?? '';
  expect(processesOf(pid).length).toBeGreaterThan(2);
  expect(readdirSync(profile).length).toBeGreaterThan(0);
  const ended = await fetch(session.url, {
    method: 'DELETE',
    headers: { prefer: 'return=representation' },
  });
  const { usage } = (await ended.json()) as { usage: SessionUsage };
  // A browser has started and a picture was seen. Frames are reported once per second, so there may be none yet.
  for (const used of [usage.cpuSeconds ?? 0, usage.bytesSent, usage.viewerMinutes, usage.durationMs]) {
    expect(used).toBeGreaterThan(0);
  }
  await viewer.until("viewer.closedReason === 'deleted'");
  // What was killed is gone a moment later.
  await expect.poll(() => processesOf(pid)).toEqual([]);
  expect(() => readdirSync(profile)).toThrow('ENOENT');
  expect(temporary().filter((name) => !before.includes(name))).toEqual([]);
  expect((await fetch(session.url)).status).toBe(404);
});

test('an unwatched session ends by its timeout', async () => {
  await server.close();
  server = await TestServer.start({ sessionTimeout: 2000 });
  const session = await server.create(server.page('mode=static'));
  const { status, instanceInfo } = await server.state(session, (state) => state.status !== 'initializing');
  // Where this machine stands still for longer, it is over before it was looked at again.
  expect(status).toBeOneOf(['connecting', 'terminated']);
  // A look is activity, so nobody looks any more.
  if (status === 'connecting') await expect.poll(() => processesOf(instanceInfo.pid)).toEqual([]);
  const response = await fetch(session.url);
  const body: any = await response.json();
  expect(response.status === 200 ? body.status : response.status).toBeOneOf(['terminated', 404]);
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
  const [{ session }, reader] = await Promise.all([live('mode=bars'), browser.open(server)]);
  viewer = reader;
  const png = await fetch(`${session.url}/snapshot`);
  expect(png.headers.get('content-type')).toBe('image/png');
  const jpeg = await fetch(`${session.url}/snapshot?format=jpeg&width=160`);
  expect(jpeg.headers.get('content-type')).toBe('image/jpeg');
  const measure = async (response: Response): Promise<{ width: number; height: number; bar: number[] }> => {
    const base64 = Buffer.from(await response.arrayBuffer()).toString('base64');
    const type = response.headers.get('content-type') ?? '';
    return reader.read(`(async () => {
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

test('pages that paint once and nothing more are pictured, with nobody watching, as is a PDF', async () => {
  const [{ session }, pdf] = await Promise.all([
    live('mode=static'),
    server.create(`${server.origin}/fixtures/document.pdf`),
  ]);
  const page = await server.router.sessions.get(session.id).page();
  const reader = await browser.browser.newPage();
  const colourOf = async ({ url }: CreatedSession, x: number, y: number): Promise<number[]> => {
    const response = await fetch(`${url}/snapshot`);
    expect(response.status).toBe(200);
    return reader.evaluate(
      async (picture, left, top) => {
        const image = new Image();
        image.src = `data:image/png;base64,${picture}`;
        await image.decode();
        const context = new OffscreenCanvas(1, 1).getContext('2d');
        context?.drawImage(image, -left, -top);
        return [...(context?.getImageData(0, 0, 1, 1).data.slice(0, 3) ?? [])];
      },
      Buffer.from(await response.arrayBuffer()).toString('base64'),
      x,
      y,
    );
  };
  for (let count = 1; count <= 10; count++) {
    await page.setContent(`<body style="background: rgb(${count * 20}, 0, 0)">`);
    expect(await colourOf(session, 0, 0)).toEqual([count * 20, 0, 0]);
  }
  // Nothing is printed, and nobody waits for it.
  expect(await page.evaluate('print()')).toBeUndefined();
  // By the browser's own viewer, whose page is beside its miniatures.
  await server.state(pdf, ({ status }) => status === 'connecting');
  await expect.poll(() => colourOf(pdf, 450, 150)).toEqual([255, 0, 0]);
  await reader.close();
});

test('a page that hangs ends its session with an error', async () => {
  expect((await (await hanging).ended).error).toMatch(/respond/);
});
