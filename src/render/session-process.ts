import { Socket } from 'node:net';

import { cleanUp } from '../base/clean-up.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { findBrowser } from './capture/browser-discovery.js';
import { type BrowserVersion, browserVersion } from './capture/browser-version.js';
import type { PreloadCounts } from './capture/cache-preload.js';
import type { ReadyBrowser, ReadyBrowserOptions } from './capture/ready-browser.js';
import { killBrowsersOf, removeProfileDirectory } from './capture/profile-directory.js';
import { videoStream } from '../protocol/video-stream.js';
import { ReadyVideoThread } from './encode/ready-video-thread.js';
import { openVideoEncodeThread } from './encode/video-encode-thread.js';
import type { LocalRender } from './local-render.js';
import { MessageChannel } from './message-channel.js';
import {
  MAX_ORDER_BYTES,
  SESSION_PROCESS_FDS,
  type AnsweredOrder,
  type OpenedRender,
  type OpenOrder,
  type PreparedBrowser,
  type PrepareOrder,
  type RenderOrder,
  type RenderReport,
  type ReportedError,
} from './render-messages.js';
import { SessionNiceness } from './session-niceness.js';
import { TapPipeWriter } from './tap-pipe.js';

/**
 * The main program of a session process: the browser, the capture and the encoders of one session live and die here. It
 * ends with its control pipe, and so with the host, by whatever signal.
 */

/** How long an orderly end may take before the process goes anyway, ms. */
const CLOSE_TIMEOUT_MS = 3_000;
/** The same after the host is gone: it takes a fraction of a second, but nobody else removes what is left on a busy machine. */
const ORPHAN_TIMEOUT_MS = 5_000;
const MAX_LOG_TEXT = 4096;

const control = new Socket({ fd: SESSION_PROCESS_FDS.control, readable: true, writable: true });
const tapSocket = new Socket({ fd: SESSION_PROCESS_FDS.taps, readable: false, writable: true });
tapSocket.on('error', () => tapSocket.destroy());
const taps = new TapPipeWriter(tapSocket);
const launch = new AbortController();
const niceness = new SessionNiceness();
let render: LocalRender | undefined;
/** A browser that was launched before there was a page for it. */
let prepared: ReadyBrowser | undefined;
let preparedVersion: BrowserVersion | undefined;
/** The page is being opened in this one. */
let launched: ReadyBrowser | undefined;
let readyThread: ReadyVideoThread | undefined;
let opening: Promise<unknown> = Promise.resolve();
/** The browser's profile. */
let directory: string | undefined;
/** Of the files that the page was given, and has made. */
let filesDirectory: string | undefined;
let hasSockets = false;
let isEnding = false;

const channel = new MessageChannel(
  control,
  { maxMessageBytes: MAX_ORDER_BYTES },
  { onMessage: (message) => accept(message as RenderOrder), onFault: () => void endAsOrphan() },
);

function report(message: RenderReport): void {
  // One that the host would refuse ends the session; what a page says is bounded before it gets here.
  channel.send(message);
}

function accept(order: RenderOrder): void {
  if ('id' in order) {
    void answer(order.id, order);
    return;
  }
  switch (order.type) {
    case 'startVideo':
      render?.startVideo(order.stream, order.target, order.candidates);
      showDemand();
      break;
    case 'stopVideo':
      render?.stopVideo(order.stream);
      showDemand();
      break;
    case 'awaited':
      startThread(launched);
      break;
    case 'keyframe':
      render?.requestKeyframe(order.stream);
      break;
    case 'refresh':
      render?.refresh();
      break;
    case 'target':
      render?.setTarget(order.stream, order.target);
      break;
    case 'startAudio':
      render?.startAudio();
      showDemand();
      break;
    case 'stopAudio':
      render?.stopAudio();
      showDemand();
      break;
    case 'tap':
      render?.tap(order.stream, order.tapped);
      break;
    case 'viewerCount':
      render?.setViewerCount(order.count);
      break;
    case 'programInput':
      render?.setProgramInput(order.input);
      break;
    case 'pageState':
      render?.setPageState(order.state);
      break;
    case 'toPage':
      render?.sendToPage(order.message);
      break;
    case 'gamepads':
      render?.controls.setGamepads(order.gamepads);
      break;
    case 'ping':
      report({ type: 'pong' });
      break;
    case 'pageAnswer':
      render?.controls.answer(order.answer);
      break;
    case 'close':
      void end();
      break;
  }
}

function showDemand(): void {
  niceness.setWatched(render?.isEncoding === true);
}

async function answer(id: number, order: AnsweredOrder): Promise<void> {
  try {
    const result = await carryOut(id, order);
    // The picture itself is the answer, by the other pipe.
    if (order.type !== 'snapshot') report({ type: 'done', id, ...(result === undefined ? {} : { result }) });
  } catch (thrown) {
    report({ type: 'failed', id, error: reported(thrown) });
  }
}

async function carryOut(id: number, order: AnsweredOrder): Promise<unknown> {
  if (order.type === 'open' || order.type === 'prepare') {
    const opened = order.type === 'open' ? open(order) : prepare(order);
    opening = opened.catch(() => undefined);
    return opened;
  }
  if (order.type === 'check') {
    if (prepared === undefined) throw new StreamKitError('unavailable', 'There is no browser yet');
    await prepared.browserProcess.connection.browser.send('Browser.getVersion');
    return undefined;
  }
  if (render === undefined) throw new StreamKitError('unavailable', 'The page is not loaded yet');
  switch (order.type) {
    case 'pause':
      return render.pause();
    case 'resume':
      return render.resume();
    case 'reconfigure':
      await render.reconfigure(order.format);
      report({ type: 'viewport', viewport: render.controls.viewport });
      return undefined;
    case 'openDebugger':
      return render.openDebugger();
    case 'snapshot':
      taps.writeBlob(id, await render.snapshot(order.parameters));
      return undefined;
    case 'storeProfile':
      // Somebody waits for it.
      niceness.setWatched(true);
      return render.storeProfile(order.target);
    case 'input':
      return render.controls.send(order.command, order.parameters);
    case 'fillClipboard':
      return render.controls.fillClipboard(order.text);
  }
}

/** Launches the browser of a session that is still to come, and what encodes its pictures. */
async function prepare(order: PrepareOrder): Promise<PreparedBrowser> {
  const [{ ReadyBrowser: Ready }] = await Promise.all([import('./capture/ready-browser.js'), modules()]);
  directory = order.profileDirectory;
  const executablePath = await findBrowser(order.launchOptions.executablePath);
  const version = await browserVersion(executablePath, order.knownVersion, launch.signal);
  const options = { ...order, ...captureHooks(order, executablePath, version) };
  const preloads = await preload(options, order);
  prepared = await Ready.open(
    options,
    order.shape,
    (error) => report({ type: 'ended', error: reported(error) }),
    launch.signal,
  );
  preparedVersion = version;
  await prepared.rest();
  hasSockets = order.hasSockets;
  startThread(prepared);
  return { executablePath, version, browserPid: prepared.browserProcess.pid, preloads };
}

async function preload(
  options: ReadyBrowserOptions,
  { preload: urls, shape }: PrepareOrder,
): Promise<PreloadCounts> {
  if (urls.length === 0) return { loaded: 0, failed: 0 };
  const { preloadCaches } = await import('./capture/cache-preload.js');
  return preloadCaches(options, shape, urls, launch.signal);
}

async function open(order: OpenOrder): Promise<OpenedRender> {
  const [{ createOpenCapture }, { createOpenLocalRender }, { openAudioEncodeThread }] = await modules();
  const { parameters } = order;
  directory = order.profileDirectory;
  filesDirectory = parameters.files?.directory;
  hasSockets = order.hasSockets;
  const executablePath = await findBrowser(order.launchOptions.executablePath);
  const version = await browserVersion(executablePath, preparedVersion ?? order.knownVersion, launch.signal);
  const openRender = createOpenLocalRender({
    openCapture: createOpenCapture(
      {
        ...order,
        ...captureHooks(order, executablePath, version),
        onRenderer: (renderer) => report({ type: 'renderer', renderer }),
        onLaunched: (browser) => {
          launched = browser;
          report({ type: 'launched' });
        },
      },
      prepared,
    ),
    openVideoEncodeThread: (source, listener) => videoThread().open(source, listener),
    openAudioEncodeThread,
    socketFds: order.hasSockets ? SESSION_PROCESS_FDS : undefined,
    lipSyncToleranceMs: order.lipSyncToleranceMs,
    soundDtx: order.soundDtx,
    nowUs: () => Number(process.hrtime.bigint() / 1000n),
    logger: reportingLogger({}),
  });
  const opened = await openRender(
    parameters,
    {
      onPageMetadata: (metadata, changedAtUs) => report({ type: 'metadata', metadata, changedAtUs }),
      onPageMessage: (message) => report({ type: 'message', message }),
      onCursor: (css) => report({ type: 'cursor', css }),
      onClipboard: (text) => report({ type: 'clipboard', text }),
      onPageEvent: (event) => report({ type: 'pageEvent', event }),
      onResponsive: (responsive) => report({ type: 'responsive', responsive }),
      onFault: (code, message) => report({ type: 'fault', error: { code, message } }),
      onSound: (available) => report({ type: 'sound', available }),
      onVideoStats: (stats) => report({ type: 'stats', stats }),
      onFrames: (stream, frames) => report({ type: 'frames', stream, frames }),
      onKeyframe: (stream) => report({ type: 'keyframe', stream }),
      onEncoderReplaced: (replacement) => report({ type: 'replaced', replacement }),
      onEncodedFrame: (frame) => {
        if (!taps.writeFrame(frame)) render?.requestKeyframe(videoStream(frame.codec, frame.rung));
      },
      onEncodedAudio: (packet) => taps.writeAudio(packet),
      onEnded: (error) => report({ type: 'ended', error: reported(error) }),
    },
    launch.signal,
  );
  render = opened;
  niceness.begin(opened.browserPid);
  return {
    kind: opened.kind,
    executablePath,
    version,
    browserPid: opened.browserPid,
    hasAudio: opened.hasAudio,
    viewport: opened.controls.viewport,
  };
}

function captureHooks(
  { launchOptions }: Pick<OpenOrder, 'launchOptions'>,
  executablePath: string,
  knownVersion: BrowserVersion | undefined,
) {
  return {
    launchOptions: { ...launchOptions, executablePath },
    knownVersion,
    onEgressRefused: (errorType: string) => report({ type: 'egressRefused', errorType }),
    logger: reportingLogger({}),
  };
}

function videoThread(): ReadyVideoThread {
  readyThread ??= new ReadyVideoThread(openVideoEncodeThread);
  return readyThread;
}

/** Starts what encodes the pictures of this browser, which takes as long as to load a page: both at once. */
function startThread(browser: ReadyBrowser | undefined): void {
  const source = browser?.video;
  if (browser === undefined || source === undefined || render !== undefined) return;
  const socketFd = hasSockets ? SESSION_PROCESS_FDS.video : undefined;
  videoThread().start({ source, frameRate: browser.frameRate, socketFd });
}

/** Loaded while the process waits for its order; what encodes comes with the first stream, in threads of its own. */
function modules() {
  return Promise.all([
    import('./capture/open-capture.js'),
    import('./local-render.js'),
    import('./encode/audio-encode-thread.js'),
  ]);
}

function reported(thrown: unknown): ReportedError {
  const error = asError(thrown);
  const cause = error.cause === undefined ? undefined : asError(error.cause).message;
  return {
    ...(error instanceof StreamKitError ? { code: error.code } : {}),
    message: error.message.slice(0, MAX_LOG_TEXT),
    ...(cause === undefined ? {} : { cause: cause.slice(0, MAX_LOG_TEXT) }),
  };
}

/** Logs through the host's logger. */
function reportingLogger(bindings: Record<string, unknown>): Logger {
  const at = (level: 'debug' | 'info' | 'warn' | 'error') => (context: object, message: string) => {
    const entries = Object.entries({ ...bindings, ...context }).map(
      ([name, value]): [string, string | number] => [
        name,
        typeof value === 'number' ? value : textOf(value).slice(0, MAX_LOG_TEXT),
      ],
    );
    report({ type: 'log', level, context: Object.fromEntries(entries), message });
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (more) => reportingLogger({ ...bindings, ...more }),
  };
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return value.stack ?? value.message;
  return JSON.stringify(value);
}

/** Ends everything, then the process. Once. */
async function end(): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  setTimeout(() => process.exit(1), CLOSE_TIMEOUT_MS);
  launch.abort();
  await opening;
  await cleanUp((render ?? prepared?.browserProcess)?.close(), 'the browser', reportingLogger({}));
  process.exit(0);
}

/** The host is gone, and nobody clears up behind this process: what it has goes at once. */
async function endAsOrphan(): Promise<void> {
  isEnding = true;
  setTimeout(() => process.exit(1), ORPHAN_TIMEOUT_MS);
  launch.abort();
  if (directory !== undefined) {
    await killBrowsersOf(directory);
    await removeProfileDirectory(directory).catch(() => undefined);
  }
  if (filesDirectory !== undefined) await removeProfileDirectory(filesDirectory).catch(() => undefined);
  process.exit(0);
}

control.on('close', () => void endAsOrphan());
process.on('SIGTERM', () => void end());
// Its terminal's: the host says when it is time.
process.on('SIGINT', () => undefined);
process.on('SIGHUP', () => undefined);
process.on('uncaughtException', (error) => {
  report({
    type: 'ended',
    error: { code: 'internal', message: 'The session process failed', cause: textOf(error) },
  });
  void end();
});
report({ type: 'ready' });
void modules();
