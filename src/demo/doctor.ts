import { createSocket } from 'node:dgram';
import { statfs } from 'node:fs/promises';

import type { LaunchOptions } from 'puppeteer';

import { findBrowser } from '../render/capture/browser-discovery.js';
import { BrowserProcess } from '../render/capture/browser-process.js';
import { isSoftwareRenderer } from '../render/capture/software-renderer.js';
import { createProfileDirectory } from '../render/capture/profile-directory.js';
import { findGraphicsDevices } from '../render/graphics/graphics-devices.js';
import { namedDevice } from '../render/graphics/graphics-selection.js';
import { EncoderProbe, type EncoderReport, type ProbedCandidate } from '../render/encode/encoder-probe.js';
import { describeSessionLimits } from '../render/limits/open-session-limiter.js';
import { ENCODER_ORDER } from '../options/encoder-names.js';
import { VIDEO_CODECS } from '../protocol/video-codecs.js';
import { asError } from '../base/errors.js';
import { missingFonts } from './installed-fonts.js';
import { renderingForDoctor } from './rendering-report.js';
import { loadNativeAddon } from '../fanout/load-native-addon.js';
import { silentLogger } from '../base/logger.js';
import { DEFAULT_TARGET_POLICY } from '../options/target-policy-options.js';

export interface DoctorOptions {
  /** As the option `encoderDevice` of the router. */
  readonly encoderDevice: string | undefined;
  /** As the option `gpu.device` of the router. */
  readonly gpuDevice?: string | undefined;
  /** As the option `puppeteerLaunchOptions` of the router. */
  readonly launchOptions?: LaunchOptions | undefined;
}

/** What one part of the machine is like. */
interface Finding {
  readonly part: string;
  readonly fine: boolean;
  readonly text: string;
}

const PROBE_TIMEOUT_MS = 15_000;
const MEASURE_MS = 700;
const LAUNCH_TIMEOUT_MS = 15_000;
/** A session at 1920 x 1080 with a browser profile takes about this much. */
const PROFILE_BYTES = 64 * 2 ** 20;

/**
 * Looks at everything of this machine that a session needs.
 *
 * @returns the report as lines of text; `healthy`: a page can be rendered, encoded and sent.
 * @throws StreamKitError `bad_option` where the machine does not have the device that is to draw pages.
 */
export async function examine(options: DoctorOptions): Promise<{ report: string; healthy: boolean }> {
  const { launchOptions = {} } = options;
  // Before what takes seconds.
  if (options.gpuDevice !== undefined) namedDevice(findGraphicsDevices(), options.gpuDevice);
  // One after the other: a browser that starts would spoil what the encoders are measured at.
  const encoders = await examineEncoders(options.encoderDevice);
  const rendering = await renderingForDoctor({ device: options.gpuDevice, launchOptions });
  const findings = [
    ...(await examineBrowser(rendering.launchOptions)),
    await examineUdp(),
    await examineShm(),
    examineAddon(),
    examineLimits(),
  ];
  const fonts = await examineFonts();
  const works = encoders.some(({ works }) => works);
  const report = [
    'Encoders (frames a second at 1280x720, one picture at a time; auto takes the first of a codec that works)',
    ...encoders.map((encoder) => `  ${encoder.codec.padEnd(6)}${encoder.name.padEnd(12)}${verdict(encoder)}`),
    '',
    ...rendering.lines,
    '',
    ...[...findings, fonts].map(
      ({ part, fine, text }) => `${fine ? '  ok  ' : '  --  '}${part.padEnd(16)}${text}`,
    ),
  ];
  return { report: report.join('\n'), healthy: works && findings.every(({ fine }) => fine) };
}

function verdict({ works, framesPerSecond, reason }: EncoderReport): string {
  return works ? `works, ${framesPerSecond ?? 0} frames/s` : `does not work: ${reason ?? 'unknown'}`;
}

async function examineEncoders(
  device: string | undefined,
): Promise<readonly (EncoderReport & { readonly codec: string })[]> {
  const candidates = VIDEO_CODECS.flatMap((codec) =>
    ENCODER_ORDER[codec].map((name): ProbedCandidate => ({ name, codec, device })),
  );
  const probe = new EncoderProbe({
    candidates,
    timeoutMs: PROBE_TIMEOUT_MS,
    measureMs: MEASURE_MS,
    keepsAlive: true,
  });
  const reports = await probe.reports;
  return reports.map((report, index) => ({ ...report, codec: candidates[index]?.codec ?? '' }));
}

/** Without them pages are rendered all the same, with boxes for characters: the machine is not unhealthy. */
async function examineFonts(): Promise<Finding> {
  const part = 'fonts';
  const missing = await missingFonts();
  if (missing === undefined) return { part, fine: false, text: 'fc-list is missing: install fontconfig' };
  if (missing.length === 0) return { part, fine: true, text: 'CJK, Arabic, Devanagari and emoji' };
  const scripts = missing.map(({ script }) => script).join('; ');
  const packages = [...new Set(missing.map(({ packageName }) => packageName))].join(' ');
  return { part, fine: false, text: `none for ${scripts}: install ${packages}` };
}

async function examineBrowser(launchOptions: LaunchOptions): Promise<readonly Finding[]> {
  let path: string;
  try {
    path = await findBrowser(launchOptions.executablePath);
  } catch (error) {
    const named = process.env.PUPPETEER_EXECUTABLE_PATH ?? '';
    const which = named === '' ? '' : `: PUPPETEER_EXECUTABLE_PATH is ${named}`;
    return [{ part: 'browser', fine: false, text: `${asError(error).message}${which}` }];
  }
  let browserProcess: BrowserProcess | undefined;
  try {
    // As a session launches it: the flags decide over its graphics.
    browserProcess = await BrowserProcess.launch(
      {
        launchOptions,
        captureTitle: 'doctor',
        page: {},
        deviceScaleFactor: 1,
        targetPolicy: DEFAULT_TARGET_POLICY,
        profileDirectory: await createProfileDirectory(PROFILE_BYTES),
        launchTimeoutMs: LAUNCH_TIMEOUT_MS,
        logger: silentLogger,
      },
      () => undefined,
      AbortSignal.timeout(LAUNCH_TIMEOUT_MS),
    );
    const { product: version } = await browserProcess.connection.browser.send('Browser.getVersion');
    const renderer = await browserProcess.tab.evaluate(askRenderer);
    const kind = `${isSoftwareRenderer(renderer) ? 'software' : 'GPU'}: ${renderer}`;
    return [
      { part: 'browser', fine: true, text: `${version}, ${path}` },
      { part: 'rendering', fine: renderer !== '', text: renderer === '' ? 'no WebGL' : kind },
    ];
  } catch (error) {
    const { message, cause } = asError(error);
    const because = cause instanceof Error ? ` ${cause.message.split('\n')[0] ?? ''}` : '';
    return [{ part: 'browser', fine: false, text: `${path}: ${message}${because}` }];
  } finally {
    await browserProcess?.close();
  }
}

/** What is touched of the page in {@link askRenderer}. */
interface RenderingPage {
  readonly document: {
    createElement(name: 'canvas'): {
      getContext(kind: 'webgl'): {
        getExtension(name: string): { readonly UNMASKED_RENDERER_WEBGL: number } | null;
        getParameter(parameter: number): unknown;
      } | null;
    };
  };
}

/** Runs in the page. */
function askRenderer(): string {
  const { document } = globalThis as unknown as RenderingPage;
  const webgl = document.createElement('canvas').getContext('webgl');
  const names = webgl?.getExtension('WEBGL_debug_renderer_info');
  return webgl && names ? String(webgl.getParameter(names.UNMASKED_RENDERER_WEBGL)) : '';
}

function examineUdp(): Promise<Finding> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', (error) => resolve({ part: 'UDP', fine: false, text: error.message }));
    socket.bind(0, () => {
      const text = `a port can be bound (tried: ${socket.address().port})`;
      socket.close(() => resolve({ part: 'UDP', fine: true, text }));
    });
  });
}

async function examineShm(): Promise<Finding> {
  const part = '/dev/shm';
  try {
    const { bavail, bsize } = await statfs('/dev/shm');
    const sessions = Math.floor((bavail * bsize) / PROFILE_BYTES);
    const room = `${Math.floor((bavail * bsize) / 2 ** 20)} MiB free, room for about ${sessions} sessions`;
    // Without room a session's files go to the temporary directory, which is slower on a disk.
    return { part, fine: true, text: sessions > 0 ? room : `${room}: the temporary directory is used` };
  } catch {
    return { part, fine: true, text: 'not there: the temporary directory is used' };
  }
}

/** Either way is fine: which one it is decides what `sessionLimits` can do. */
function examineLimits(): Finding {
  return { part: 'session limits', fine: true, text: describeSessionLimits() };
}

/** Without the addon packets are sent in JavaScript, at a higher cost a viewer. */
function examineAddon(): Finding {
  try {
    const fine = loadNativeAddon() !== undefined;
    return {
      part: 'native addon',
      fine: true,
      text: fine ? 'loaded' : 'not built: media goes through werift',
    };
  } catch (error) {
    return { part: 'native addon', fine: false, text: asError(error).message };
  }
}
