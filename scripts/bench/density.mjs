// What one session takes of a machine, part by part, so that an operator can size it: CPU time, memory and memory of the GPU.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

import {
  launchBrowser,
  openViewer,
  processes,
  quantile,
  round,
  sleep,
  startOurs,
  startPages,
} from './rig.mjs';

const FORMATS = [
  { name: '720p30', width: 1280, height: 720, frameRate: 30, maxBitrateBps: 4_000_000 },
  { name: '1080p60', width: 1920, height: 1080, frameRate: 60, maxBitrateBps: 8_000_000 },
];
const ROUNDS = 3;
const WARM_UP_MS = 4_000;
const MEASURE_MS = 8_000;

/** MiB in use on all GPUs; undefined: nobody knows. */
function gpuMiB() {
  const folder = '/sys/class/drm';
  const amd = names(folder)
    .map((card) => text(`${folder}/${card}/device/mem_info_vram_used`))
    .filter((used) => used !== undefined)
    .map((used) => Number(used) / 2 ** 20);
  const query = ['--query-gpu=memory.used', '--format=csv,noheader,nounits'];
  const nvidia = output('nvidia-smi', query)
    .split('\n')
    .filter((line) => /^\d+$/.test(line.trim()))
    .map(Number);
  const all = [...new Set(amd), ...nvidia];
  return all.length === 0 ? undefined : all.reduce((sum, used) => sum + used, 0);
}

/** What the processes that `partOf` gives a name take: cores over some seconds, and memory. */
async function usage(pid, partOf) {
  const before = new Map(processes(pid).map((process) => [process.pid, process.cpuSeconds]));
  const startMs = performance.now();
  await sleep(MEASURE_MS);
  const seconds = (performance.now() - startMs) / 1000;
  const parts = {};
  for (const process of processes(pid)) {
    const part = partOf(process);
    const sum = (parts[part] ??= { cores: 0, mib: 0 });
    sum.cores += (process.cpuSeconds - (before.get(process.pid) ?? 0)) / seconds;
    sum.mib += process.mib;
  }
  return parts;
}

async function pageAlone({ width, height }, targetUrl) {
  const idleMiB = gpuMiB();
  const browser = await launchBrowser([`--window-size=${width},${height}`]);
  try {
    const [page] = await browser.browser.pages();
    await page.setViewport({ width, height });
    await page.goto(targetUrl);
    await page.bringToFront();
    await sleep(WARM_UP_MS);
    const { page: alone } = await usage(browser.pid, () => 'page');
    return { ...alone, gpuMib: difference(gpuMiB(), idleMiB) };
  } finally {
    await browser.close();
  }
}

const isBrowser = ({ command }) => command.includes('--type=') || command.includes('chrom');

/** A session with one viewer, whose browser is not counted. */
async function session({ width, height, frameRate, maxBitrateBps }, pages, targetUrl) {
  const idleMiB = gpuMiB();
  const viewers = await launchBrowser();
  const ours = await startOurs({ capture: 'tab', sessionProcess: { spare: false } });
  const partOf = (process) => (process.pid === ours.pid ? 'host' : isBrowser(process) ? 'browser' : 'encode');
  try {
    await sleep(WARM_UP_MS);
    const { host: idle } = await usage(ours.pid, partOf);
    const url = await ours.create(targetUrl, {
      ...{ resolution: `${width}x${height}`, frameRate, videoCodec: 'h264', maxBitrateBps, audio: false },
    });
    const viewer = await openViewer(viewers, pages.origin);
    await viewer.evaluate((address) => window.attach(address), url);
    await viewer.waitForFunction(async () => (await window.inbound())?.framesDecoded > 0);
    await sleep(WARM_UP_MS);
    const before = await viewer.evaluate(() => window.inbound());
    const startMs = performance.now();
    const { host, browser, encode } = await usage(ours.pid, partOf);
    const after = await viewer.evaluate(() => window.inbound());
    const frames = (after.framesDecoded - before.framesDecoded) / ((performance.now() - startMs) / 1000);
    return {
      ...{ browser, encode, frames, gpuMib: difference(gpuMiB(), idleMiB) },
      send: { cores: host.cores - idle.cores, mib: host.mib - idle.mib },
    };
  } finally {
    await ours.close();
    await viewers.close();
  }
}

/** It takes about 4 minutes. */
export async function density({ quick = false } = {}) {
  const pages = await startPages();
  const rounds = quick ? 1 : ROUNDS;
  const rows = [];
  try {
    for (const format of FORMATS) {
      // Every picture of it is another one.
      const targetUrl = `${pages.origin}/page.html?mode=counter`;
      const [alone, sessions] = [[], []];
      for (let turn = 0; turn < rounds; turn++) {
        alone.push(await pageAlone(format, targetUrl));
        sessions.push(await session(format, pages, targetUrl));
      }
      rows.push(...rowsOf(format.name, alone, sessions));
    }
  } finally {
    pages.close();
  }
  return {
    title: 'Density',
    note:
      `What one session takes, with one viewer, whose browser is not counted: medians of ${rounds} rounds. Page: a browser of its own with ` +
      'the same moving page. Capture: what the browser of the session takes beyond that. Encode: the session process. Send: what the host takes ' +
      'beyond what it takes idle. Memory: pages that processes share are divided among them; it is less than none where the flags of a session save more than is added. GPU: "-" if the machine does not say.',
    rows,
  };
}

function rowsOf(format, alone, sessions) {
  const page = { cores: median(alone, 'cores'), mib: median(alone, 'mib'), gpuMib: median(alone, 'gpuMib') };
  const browser = medians(sessions.map((one) => one.browser));
  const encode = medians(sessions.map((one) => one.encode));
  const send = medians(sessions.map((one) => one.send));
  const capture = { cores: browser.cores - page.cores, mib: browser.mib - page.mib };
  const all = { cores: browser.cores + encode.cores + send.cores, mib: browser.mib + encode.mib + send.mib };
  const gpuMib = median(sessions, 'gpuMib');
  const row = (part, { cores, mib }, gpu) => ({
    ...{ format, part, cores: round(cores, 2), MiB: round(mib, 0) },
    'GPU MiB': gpu === undefined ? '-' : round(gpu, 0),
  });
  return [
    row('page alone', page, page.gpuMib),
    row('capture', capture, difference(gpuMib, page.gpuMib)),
    row('encode', encode),
    row('send', send),
    { ...row('all', all, gpuMib), 'frames/s': round(median(sessions, 'frames')) },
  ];
}

const medians = (values) => ({ cores: median(values, 'cores'), mib: median(values, 'mib') });

/** Undefined where one of them is. */
function median(values, key) {
  const all = values.map((value) => value[key]);
  return all.includes(undefined) ? undefined : quantile(all, 0.5);
}

function difference(one, other) {
  return one === undefined || other === undefined ? undefined : one - other;
}

function names(folder) {
  try {
    return readdirSync(folder).filter((name) => /^card\d+$/.test(name));
  } catch {
    return [];
  }
}

function text(path) {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function output(program, args) {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
}
