import type { LaunchOptions } from 'puppeteer';

import { StreamKitError } from '../base/errors.js';
import { findBrowser } from '../render/capture/browser-discovery.js';
import { choosesRenderer, FLAG_SETS, graphicsLaunch, withGraphics } from '../render/graphics/flag-sets.js';
import { findGraphicsDevices, type GraphicsDevice } from '../render/graphics/graphics-devices.js';
import {
  browserIdentity,
  namedDevice,
  triedDevices,
  verdictKey,
} from '../render/graphics/graphics-selection.js';
import { probeRenderers } from '../render/graphics/renderer-probe.js';
import { type TryRenderer, tryRenderer } from '../render/graphics/renderer-trial.js';
import { type RendererReport, VerdictFile } from '../render/graphics/verdict-file.js';

export interface RenderingReportParameters {
  /** As the option `gpu.device`; undefined: as `auto`. */
  readonly device?: string | undefined;
  /** As the option `puppeteerLaunchOptions`. */
  readonly launchOptions?: LaunchOptions;
  readonly root?: string;
  readonly file?: VerdictFile;
  readonly tryRenderer?: TryRenderer;
  readonly isSoftware?: (renderer: string) => boolean;
}

/** What this machine draws pages with. */
export interface RenderingReport {
  readonly lines: readonly string[];
  readonly devices: readonly GraphicsDevice[];
  /** Of all devices that were tried. */
  readonly reports: readonly RendererReport[];
  /** As sessions launch their browser. */
  readonly launchOptions: LaunchOptions;
}

const TITLE = 'Rendering (auto takes the first that draws on a GPU)';

/**
 * Tries every way to draw pages and says what came of each. What works is stored for the servers of this user, which look
 * for it by the same keys. Nothing is tried where a server would not try anything.
 *
 * @throws StreamKitError `bad_option` where the machine does not have the device that is named, or `browser_not_found`
 */
export async function reportRendering(parameters: RenderingReportParameters = {}): Promise<RenderingReport> {
  const { launchOptions = {}, root = '/' } = parameters;
  const devices = findGraphicsDevices(root);
  const device = parameters.device === undefined ? undefined : namedDevice(devices, parameters.device);
  const usable = devices.filter(({ refusal }) => refusal === undefined);
  const known = [TITLE, ...devices.map(describeDevice)];
  const nothing = (why: string): RenderingReport => ({
    ...{ lines: [...known, `  ${why}`], devices, reports: [], launchOptions },
  });
  if (devices.length === 0) {
    return nothing(
      'no device: neither /dev/dri/renderD* nor /dev/nvidia* is there; pages are drawn on the CPU',
    );
  }
  if (usable.length === 0 || device?.refusal !== undefined) {
    return nothing('not tried: the device may not be used; pages are drawn on the CPU');
  }
  if (choosesRenderer(launchOptions)) return nothing('not tried: args of puppeteerLaunchOptions decide');
  const executablePath = await findBrowser(launchOptions.executablePath);
  const version = await browserIdentity(executablePath);
  const file = parameters.file ?? new VerdictFile();
  const tried = triedDevices(usable, device);
  const lines: string[] = [];
  const all: RendererReport[] = [];
  let chosen: LaunchOptions | undefined;
  for (const one of tried) {
    const reports = await probeRenderers({
      launchOptions: { ...launchOptions, executablePath },
      ...{ devices: usable, device: one, file, root, thorough: true, keepsAlive: true },
      key: verdictKey(version, usable, one, launchOptions, root),
      tryRenderer: parameters.tryRenderer ?? tryRenderer,
      ...(parameters.isSoftware === undefined ? {} : { isSoftware: parameters.isSoftware }),
      signal: new AbortController().signal,
      nowMs: () => Date.now(),
      onNotStored: () => undefined,
    });
    if (tried.length > 1) lines.push(`  on ${one?.path ?? 'any device'}:`);
    lines.push(...reports.map(describeReport));
    all.push(...reports);
    const works = FLAG_SETS.find(({ name }) => name === reports.find((report) => report.works)?.flagSet);
    if (works !== undefined) chosen ??= withGraphics(launchOptions, graphicsLaunch(works, one));
  }
  if (file.path !== null && all.some((report) => report.hung)) {
    lines.push(
      `  What hung is tried again after a day, and never after the second time; to try it, delete ${file.path}`,
    );
  }
  return { lines: [...known, ...lines], devices, reports: all, launchOptions: chosen ?? launchOptions };
}

/**
 * As {@link reportRendering}; the report says so if there is no browser, for which doctor has a line of its own.
 *
 * @throws StreamKitError `bad_option` where the machine does not have the device that is named
 */
export async function renderingForDoctor(
  parameters: RenderingReportParameters,
): Promise<Pick<RenderingReport, 'lines' | 'launchOptions'>> {
  try {
    return await reportRendering(parameters);
  } catch (error) {
    if (!(error instanceof StreamKitError) || error.code !== 'browser_not_found') throw error;
    const { launchOptions = {} } = parameters;
    return { lines: [TITLE, '  not tried: there is no browser'], launchOptions };
  }
}

function describeDevice({ path, vendor, driver, pciId, refusal }: GraphicsDevice): string {
  const what = `${vendor}, ${driver}${pciId === undefined ? '' : `, ${pciId}`}`;
  return `  device ${path}: ${what}${refusal === undefined ? '' : `; not used: ${refusal}`}`;
}

function describeReport(report: RendererReport): string {
  const title = FLAG_SETS.find(({ name }) => name === report.flagSet)?.title ?? report.flagSet;
  const { renderer = '', webgl2 = false, webgpu = false, framesPerSecond = 0, reason } = report;
  const apis = [webgl2 ? 'WebGL 2' : 'no WebGL 2', webgpu ? 'WebGPU' : 'no WebGPU'];
  const facts = renderer === '' ? [] : [renderer, ...apis, `${framesPerSecond} frames/s captured`];
  const verdict = reason === undefined ? 'works' : `${report.hung ? 'hung' : 'refused'}: ${reason}`;
  return `  ${title.padEnd(20)}${[verdict, ...facts].join(', ')}`;
}
