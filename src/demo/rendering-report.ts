import type { LaunchOptions } from 'puppeteer';

import { findBrowser } from '../render/capture/browser-discovery.js';
import { FLAG_SETS, graphicsLaunch, withGraphics } from '../render/graphics/flag-sets.js';
import {
  deviceNamed,
  findGraphicsDevices,
  type GraphicsDevice,
} from '../render/graphics/graphics-devices.js';
import { browserVersion, verdictKey } from '../render/graphics/graphics-selection.js';
import { probeRenderers } from '../render/graphics/renderer-probe.js';
import { type TryRenderer, tryRenderer } from '../render/graphics/renderer-trial.js';
import { type RendererReport, VerdictFile } from '../render/graphics/verdict-file.js';

export interface RenderingReportParameters {
  /** As the option `gpu.device`; undefined: whichever the driver takes. */
  readonly device?: string | undefined;
  readonly root?: string;
  readonly file?: VerdictFile;
  readonly tryRenderer?: TryRenderer;
  readonly isSoftware?: (renderer: string) => boolean;
}

/** What this machine draws pages with. */
export interface RenderingReport {
  readonly lines: readonly string[];
  readonly devices: readonly GraphicsDevice[];
  readonly reports: readonly RendererReport[];
  /** As sessions launch their browser. */
  readonly launchOptions: LaunchOptions;
}

/**
 * Tries every way to draw pages and says what came of each. What works is stored for the servers of this user. Without a
 * device nothing is tried.
 *
 * @throws StreamKitError `browser_not_found`
 */
export async function reportRendering(parameters: RenderingReportParameters = {}): Promise<RenderingReport> {
  const { root = '/', file = new VerdictFile() } = parameters;
  const devices = findGraphicsDevices(root);
  const title = 'Rendering (auto takes the first that draws on a GPU)';
  if (devices.length === 0) {
    const line =
      '  no device: neither /dev/dri/renderD* nor /dev/nvidia* is there; pages are drawn on the CPU';
    return { lines: [title, line], devices, reports: [], launchOptions: {} };
  }
  const usable = devices.filter(({ refusal }) => refusal === undefined);
  const device = parameters.device === undefined ? undefined : deviceNamed(devices, parameters.device);
  const executablePath = await findBrowser();
  const reports = await probeRenderers({
    launchOptions: { executablePath },
    ...{ devices: usable, device, file, root, thorough: true, keepsAlive: true },
    key: verdictKey(await browserVersion(executablePath), usable, device, {}, root),
    tryRenderer: parameters.tryRenderer ?? tryRenderer,
    ...(parameters.isSoftware === undefined ? {} : { isSoftware: parameters.isSoftware }),
    signal: new AbortController().signal,
    nowMs: () => Date.now(),
    onNotStored: () => undefined,
  });
  const works = reports.find((report) => report.works);
  const chosen = FLAG_SETS.find(({ name }) => name === works?.flagSet);
  const hung = reports.some((report) => report.hung);
  return {
    lines: [
      title,
      ...devices.map(describeDevice),
      ...reports.map(describeReport),
      ...(hung ? [`  What hung is not tried again for this driver; to try it, delete ${file.path}`] : []),
    ],
    devices,
    reports,
    launchOptions: chosen === undefined ? {} : withGraphics({}, graphicsLaunch(chosen, device)),
  };
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
