import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';

import { asError } from '../../base/errors.js';
import { silentLogger } from '../../base/logger.js';
import { withTimeout } from '../../base/with-timeout.js';
import { DEFAULT_TARGET_POLICY } from '../../options/target-policy-options.js';
import { BrowserProcess } from '../capture/browser-process.js';
import type { BrowserTab } from '../capture/browser-tab.js';
import { CapturePage } from '../capture/capture-page.js';
import type { CaptureParameters } from '../capture/capture.js';
import { audioFileBytes, frameRingLayout, videoFileBytes } from '../capture/frame-ring.js';
import {
  createProfileDirectory,
  killBrowsersOf,
  removeProfileDirectory,
} from '../capture/profile-directory.js';
import { RenderedPage } from '../capture/rendered-page.js';
import type { RendererFacts, TrialLine, TrialOrder } from './renderer-trial.js';

/**
 * The main program of one trial: launches a browser as a session does, asks it what it draws with, and counts the pictures
 * of a page that draws with WebGL. Whoever started it limits its time, and ends it by closing its input.
 */

const SIZE = { width: 640, height: 360 };
const FRAME_RATE = 30;
const MEASURE_MS = 1_000;
const FIRST_PICTURE_POLL_MS = 20;
/** The limit of the whole trial is shorter. */
const LAUNCH_TIMEOUT_MS = 60_000;
/** A driver that does not answer to WebGPU may be fine for the rest. */
const WEBGPU_TIMEOUT_MS = 3_000;

function write(line: TrialLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const aborting = new AbortController();
let browserProcess: BrowserProcess | undefined;

async function tryBrowser({ launchOptions }: TrialOrder, profileDirectory: string): Promise<RendererFacts> {
  write({ stage: 'the launch' });
  const parameters: CaptureParameters = {
    targetUrl: 'https://trial.invalid/',
    ...SIZE,
    ...{ deviceScaleFactor: 1, frameRate: FRAME_RATE, audio: false, initialData: null },
  };
  browserProcess = await BrowserProcess.launch(
    {
      launchOptions,
      captureTitle: `trial-${randomBytes(16).toString('hex')}`,
      page: {},
      deviceScaleFactor: 1,
      targetPolicy: DEFAULT_TARGET_POLICY,
      profileDirectory,
      launchTimeoutMs: LAUNCH_TIMEOUT_MS,
      logger: silentLogger,
    },
    () => undefined,
    aborting.signal,
  );
  try {
    const page = await RenderedPage.prepare(browserProcess, parameters, deafListener, silentLogger);
    write({ stage: 'WebGL' });
    const asked = await openSecureTab(page);
    const webgl = await asked.evaluate(askWebGl);
    write({ stage: 'WebGPU' });
    const webgpu = await withTimeout(asked.evaluate(askWebGpu), WEBGPU_TIMEOUT_MS).catch(() => false);
    await asked.close();
    write({ stage: 'tab capture' });
    const framesPerSecond = await countPictures(browserProcess, page);
    page.close();
    return { ...webgl, webgpu, framesPerSecond };
  } finally {
    await browserProcess.close();
  }
}

const deafListener = {
  onPageMetadata: () => undefined,
  onPageMessage: () => undefined,
  onCursor: () => undefined,
  onClipboard: () => undefined,
  onPageEvent: () => undefined,
};

/** WebGPU is there in secure contexts alone. */
async function openSecureTab(page: RenderedPage): Promise<BrowserTab> {
  const tab = await page.openOwnTab();
  tab.cdp.on('Fetch.requestPaused', ({ requestId }) => {
    const responseHeaders = [{ name: 'content-type', value: 'text/html' }];
    tab.cdp
      .send('Fetch.fulfillRequest', { requestId, responseCode: 200, responseHeaders, body: '' })
      .catch(() => undefined);
  });
  await Promise.all([
    tab.cdp.send('Page.enable'),
    tab.cdp.send('Fetch.enable', { patterns: [{ urlPattern: '*' }] }),
  ]);
  await tab.navigate(`https://${randomBytes(16).toString('hex')}.invalid/`, LAUNCH_TIMEOUT_MS);
  return tab;
}

async function countPictures(browserProcess: BrowserProcess, page: RenderedPage): Promise<number> {
  const capturePage = await CapturePage.open(
    browserProcess,
    { ...SIZE, captured: page.geometryOf(SIZE).captured, frameRate: FRAME_RATE, video: true, audio: false },
    { open: () => page.openOwnTab(), whileTitled: (work) => page.whileShownTitled(work) },
    () => undefined,
  );
  const counted = async (): Promise<number> => (await capturePage.progress()).pictures ?? 0;
  await browserProcess.tab.evaluate(drawForEver);
  await capturePage.resume();
  while ((await counted()) === 0) await setTimeout(FIRST_PICTURE_POLL_MS);
  const startMs = performance.now();
  const first = await counted();
  await setTimeout(MEASURE_MS);
  const pictures = (await counted()) - first;
  return Math.round((pictures * 1000) / (performance.now() - startMs));
}

/** What is touched of the page in the functions below, which run in it. */
interface TrialWindow {
  readonly document: {
    readonly body: { append(element: unknown): void; readonly style: { margin: string } };
    createElement(name: 'canvas'): TrialCanvas;
  };
  readonly navigator: { readonly gpu?: { requestAdapter(): Promise<unknown> } };
  requestAnimationFrame(callback: () => void): void;
}

interface TrialCanvas {
  width: number;
  height: number;
  getContext(kind: 'webgl' | 'webgl2'): TrialContext | null;
}

interface TrialContext {
  readonly COLOR_BUFFER_BIT: number;
  getExtension(name: string): { readonly UNMASKED_RENDERER_WEBGL: number } | null;
  getParameter(parameter: number): unknown;
  clearColor(red: number, green: number, blue: number, alpha: number): void;
  clear(mask: number): void;
}

function askWebGl(): { renderer: string; webgl2: boolean } {
  const { document } = globalThis as unknown as TrialWindow;
  const webgl2 = document.createElement('canvas').getContext('webgl2');
  const context = webgl2 ?? document.createElement('canvas').getContext('webgl');
  const names = context?.getExtension('WEBGL_debug_renderer_info');
  const renderer = context && names ? String(context.getParameter(names.UNMASKED_RENDERER_WEBGL)) : '';
  return { renderer: renderer.slice(0, 200), webgl2: webgl2 !== null };
}

async function askWebGpu(): Promise<boolean> {
  const { navigator } = globalThis as unknown as TrialWindow;
  return Boolean(await navigator.gpu?.requestAdapter());
}

/** Another colour in every frame: each of them is a picture to capture. */
function drawForEver(): void {
  const page = globalThis as unknown as TrialWindow;
  const canvas = page.document.createElement('canvas');
  canvas.width = 640;
  canvas.height = 360;
  page.document.body.style.margin = '0';
  page.document.body.append(canvas);
  const context = canvas.getContext('webgl2') ?? canvas.getContext('webgl');
  let frame = 0;
  const draw = (): void => {
    frame++;
    context?.clearColor((frame % 64) / 64, (frame % 16) / 16, 0.5, 1);
    if (context) context.clear(context.COLOR_BUFFER_BIT);
    page.requestAnimationFrame(draw);
  };
  draw();
}

async function giveUp(): Promise<void> {
  try {
    // A launch that is under way rejects, and the trial ends with it.
    aborting.abort();
    await browserProcess?.close();
    await killBrowsersOf(profileDirectory);
    await removeProfileDirectory(profileDirectory);
  } finally {
    if (browserProcess !== undefined || order === undefined) process.exit(1);
  }
}

/** The first line of the input, which then stays open. Never resolves where the input ends before. */
function readOrder(): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    process.stdin.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
    });
  });
}

let order: TrialOrder | undefined;
const layout = frameRingLayout(SIZE.width, SIZE.height);
const profileDirectory = await createProfileDirectory(videoFileBytes(layout) + audioFileBytes(layout));
process.stdin.on('end', () => void giveUp());
try {
  order = JSON.parse(await readOrder()) as TrialOrder;
  write(await tryBrowser(order, profileDirectory));
  process.exit(0);
} catch (thrown) {
  const { message, cause } = asError(thrown);
  const detail = cause instanceof Error ? `: ${cause.message}` : '';
  write({ failed: `${message}${detail}`.replaceAll(/\s+/g, ' ').slice(0, 500) });
  process.exit(1);
}
