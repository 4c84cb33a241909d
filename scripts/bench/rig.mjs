// What the tables share: our server in a process of its own, the direct page peer, the viewer's browser, CPU counts.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';

import puppeteer from 'puppeteer';

const root = join(import.meta.dirname, '..', '..');
const TICKS_PER_SECOND = 100;
/** What the bench's pages load of elsewhere. */
const FOLDERS = { vendor: 'node_modules', client: join('dist', 'client') };
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript' };

export async function browserPath() {
  const { findBrowser } = await import(join(root, 'dist', 'render', 'capture', 'browser-discovery.js'));
  return findBrowser();
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? NaN : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export const round = (value, digits = 1) => Number(value.toFixed(digits));

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export async function freePort() {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Serves the bench's pages on 127.0.0.1. `onRequest` is told the path of each request as it comes. */
export async function startPages(onRequest = () => {}) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://x');
    onRequest(pathname);
    const [, folder, rest] = /^\/(vendor|client)\/(.*)$/.exec(pathname) ?? [];
    const file = folder ? join(root, FOLDERS[folder], rest) : join(root, 'test', 'fixtures', pathname);
    try {
      const body = readFileSync(file);
      response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
      response.end(body);
    } catch {
      response.statusCode = 404;
      response.end();
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** Our server in a process of its own, so that its CPU and its event loop can be told from the bench's. */
export async function startOurs(options = {}) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'server.mjs'), JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const answers = lines[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await answers.next()).value);
  const { origin } = await next();
  return {
    origin,
    pid: child.pid,
    /** Event-loop delay since the last call, ms. */
    async loopDelay() {
      child.stdin.write('delay\n');
      return next();
    },
    /** Of each of the last frames: RTP timestamp, and the wall-clock ms when it was read, encoded and captured. */
    async frames() {
      child.stdin.write('frames\n');
      return next();
    },
    /** Of the last session: wall-clock ms of `live`, `connected`, `captured` and `encoded`, as far as it has come. */
    async stages() {
      child.stdin.write('stages\n');
      return next();
    },
    /** Browsers that are ready for a session. */
    async spares() {
      child.stdin.write('spares\n');
      return next();
    },
    /** Bytes of media that were sent so far. */
    async sentBytes() {
      child.stdin.write('sent\n');
      return next();
    },
    async create(targetUrl, renderOptions) {
      const response = await fetch(`${origin}/stream/`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ targetUrl, renderOptions }),
      });
      if (response.status !== 201) throw new Error(await response.text());
      const { streamId } = await response.json();
      return `${origin}/stream/${streamId}`;
    },
    async close() {
      if (child.exitCode !== null) return;
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

export async function launchBrowser(flags = []) {
  const profile = mkdtempSync(join(tmpdir(), 'bench-'));
  const browser = await puppeteer.launch({
    executablePath: await browserPath(),
    pipe: true,
    userDataDir: profile,
    ignoreDefaultArgs: ['--mute-audio'],
    defaultViewport: null,
    args: [
      '--no-sandbox',
      '--autoplay-policy=no-user-gesture-required',
      '--disable-background-networking',
      '--disable-backgrounding-occluded-windows',
      '--disable-background-timer-throttling',
      '--disable-component-update',
      '--disable-features=WebRtcHideLocalIpsWithMdns',
      '--disable-quic',
      '--disable-renderer-backgrounding',
      '--disable-sync',
      '--enable-unsafe-swiftshader',
      '--no-first-run',
      ...flags,
    ],
  });
  return {
    browser,
    pid: browser.process().pid,
    async close() {
      await browser.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

/** A page of the bench in a viewer's browser. */
export async function openViewer({ browser }, origin) {
  const page = await browser.newPage();
  await page.goto(`${origin}/bench-viewer.html`);
  await page.waitForFunction('window.ready === true');
  await page.bringToFront();
  return page;
}

/**
 * The direct page peer: the same page's tab, captured by getDisplayMedia and sent by Chromium's own WebRTC to each
 * viewer, as the products do that put a peer into the page. With `audio` its sound as well.
 */
export async function startDirect({ targetUrl, width, height, frameRate, codec, bitrateBps, audio = false }) {
  const title = `direct-${process.pid}-${Date.now()}`;
  const sender = await launchBrowser([
    `--auto-select-tab-capture-source-by-title=${title}`,
    `--window-size=${width},${height}`,
  ]);
  const [target] = await sender.browser.pages();
  await target.setViewport({ width, height });
  await target.evaluate((name) => (document.title = name), title);
  const page = await sender.browser.newPage();
  await page.goto(`${new URL(targetUrl).origin}/bench-direct.html`);
  await target.bringToFront();
  await page.evaluate((request) => window.capture(request), { width, height, frameRate, audio });
  await target.goto(targetUrl);
  return {
    pid: sender.pid,
    /** @param relayPort of a relay over which the two meet; @param motion whether the sender may shrink the picture */
    async connect(viewer, { relayPort, motion = false } = {}) {
      const offer = await page.evaluate((request) => window.offer(request), { codec, bitrateBps, motion });
      const answer = await viewer.evaluate(
        (sdp, port) => window.answerDirect(sdp, port),
        offer.sdp,
        relayPort,
      );
      await page.evaluate(
        (index, sdp, bps) => window.accept(index, sdp, bps),
        offer.index,
        answer,
        bitrateBps,
      );
    },
    close: () => sender.close(),
  };
}

/** Ids of process `pid` and all its descendants, with the CPU ticks that each has used. */
function processTree(pid) {
  const children = new Map();
  const ticks = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const parent = Number(fields[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
      ticks.set(Number(entry), Number(fields[11]) + Number(fields[12]));
    } catch {
      // It ended meanwhile.
    }
  }
  const tree = [];
  const queue = [pid];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    tree.push({ pid: next, ticks: ticks.get(next) ?? 0 });
    queue.push(...(children.get(next) ?? []));
  }
  return tree;
}

/** CPU seconds that process `pid` and all its descendants have used. */
export function cpuSeconds(pid) {
  return processTree(pid).reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND;
}

/** Process `pid` and all its descendants: CPU time, memory in MiB, shared pages divided among those that share them, and the command. */
export function processes(pid) {
  return processTree(pid).flatMap((process) => {
    try {
      const kib = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${process.pid}/smaps_rollup`, 'utf8'))?.[1];
      const command = readFileSync(`/proc/${process.pid}/cmdline`, 'utf8');
      return [
        { pid: process.pid, cpuSeconds: process.ticks / TICKS_PER_SECOND, mib: Number(kib) / 1024, command },
      ];
    } catch {
      return [];
    }
  });
}

/** The same without `pid` itself. */
export function memoryBelow(pid) {
  return processes(pid).filter((process) => process.pid !== pid);
}

/** Mean CPU use of a process tree over `seconds`, in cores. */
export async function cpuOver(pid, seconds) {
  const before = cpuSeconds(pid);
  const start = performance.now();
  await sleep(seconds * 1000);
  return (cpuSeconds(pid) - before) / ((performance.now() - start) / 1000);
}
