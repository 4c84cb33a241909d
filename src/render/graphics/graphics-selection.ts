import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';

import type { LaunchOptions } from 'puppeteer';

import { systemClock } from '../../base/clock.js';
import { asError, StreamKitError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ResolvedGpuOption } from '../../options/gpu-option.js';
import type { BrowserRenderer } from '../capture/renderer-watch.js';
import { findBrowser } from '../capture/browser-discovery.js';
import type { BrowserLaunchOptions } from '../capture/browser-environment.js';
import { printedVersion } from '../capture/browser-version.js';
import type { RenderingState } from '../../protocol/state-document.js';
import type { EncoderCandidate } from '../encode/encoder-candidate.js';
import { DeviceAssignment, type DeviceLease, encodersOn } from './device-assignment.js';
import {
  choosesRenderer,
  FLAG_SETS,
  graphicsLaunch,
  type GraphicsLaunch,
  withGraphics,
} from './flag-sets.js';
import {
  deviceNamed,
  driverFingerprint,
  findGraphicsDevices,
  type GraphicsDevice,
} from './graphics-devices.js';
import { probeRenderers } from './renderer-probe.js';
import { type TryRenderer, tryRenderer } from './renderer-trial.js';
import { VerdictFile } from './verdict-file.js';

export interface GraphicsSelectionParameters {
  readonly gpu: ResolvedGpuOption;
  /** As the user has given them. */
  readonly launchOptions: LaunchOptions;
  readonly logger: Logger;
  /** Default: those of this machine. */
  readonly root?: string;
  readonly file?: VerdictFile;
  readonly tryRenderer?: TryRenderer;
  readonly isSoftware?: (renderer: string) => boolean;
}

const MAX_VERSION_LENGTH = 200;
const NOTHING: GraphicsLaunch = { flags: [], env: {} };

/**
 * What browsers are started with to draw on a GPU: found out once, in the background. A machine without a device, and a user
 * whose own flags decide, cost nothing.
 */
export class GraphicsSelection {
  readonly #logger: Logger;
  readonly #ready: Promise<void>;
  readonly #aborting = new AbortController();
  /** By the device that is drawn on; undefined: whichever the driver takes. */
  readonly #launches = new Map<GraphicsDevice | undefined, GraphicsLaunch>();
  /** Which this process may use. */
  readonly #devices: readonly GraphicsDevice[];
  #assignment: DeviceAssignment | undefined;
  #isSettled = false;

  /** @throws StreamKitError `bad_option` where the machine does not have the device that is named. */
  constructor(parameters: GraphicsSelectionParameters) {
    const { gpu, launchOptions, logger, root = '/' } = parameters;
    this.#logger = logger;
    const devices = gpu === 'off' ? [] : findGraphicsDevices(root);
    const device = typeof gpu === 'object' ? namedDevice(devices, gpu.device) : undefined;
    const usable = devices.filter(({ refusal }) => refusal === undefined);
    // A device that is named is the only one that pages and encoders get.
    this.#devices = device === undefined ? usable : [device];
    for (const { path, refusal } of devices) {
      if (refusal !== undefined) logger.warn({ device: path }, `a graphics device is not used: ${refusal}`);
    }
    if (usable.length === 0 || device?.refusal !== undefined || choosesRenderer(launchOptions)) {
      this.#isSettled = true;
      this.#ready = Promise.resolve();
      return;
    }
    this.#ready = this.#probeAll(parameters, usable, device).catch((error: unknown) => {
      logger.warn({ err: asError(error) }, 'it could not be found out whether a GPU draws pages');
      this.#isSettled = true;
    });
  }

  /** It is known what browsers are started with. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Pages are drawn on a GPU; false until that is found out, and where the user's own flags decide. */
  get drawsOnGpu(): boolean {
    return this.#isSettled && this.#launches.size > 0;
  }

  /** Resolves, within a minute for each device, when it is known what browsers are started with. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** A place on one of several devices, or on the one that is named; undefined: the driver's choice. */
  take(): DeviceLease | undefined {
    return this.#assignment?.take();
  }

  /**
   * @param options - as the user has given them; they win.
   * @param device - of {@link take}.
   */
  launchOptions(options: LaunchOptions, device?: GraphicsDevice): BrowserLaunchOptions {
    return withGraphics(options, this.#launches.get(device) ?? NOTHING);
  }

  /** The encoders for a session, best first; see {@link encodersOn}. */
  encoders<Candidate extends EncoderCandidate>(
    candidates: readonly Candidate[],
    device: GraphicsDevice | undefined,
  ): readonly Candidate[] {
    return device === undefined ? candidates : encodersOn(device, this.#devices, candidates);
  }

  /**
   * What the state says of a session's renderer.
   *
   * @param launched - of {@link launchOptions}: a session that did not wait for the trials was launched without a GPU.
   */
  renderingOf({ name, software }: BrowserRenderer, launched: LaunchOptions): RenderingState {
    const isOnGpu = this.#launches.size > 0 && choosesRenderer(launched);
    return { renderer: name, software, fallback: software && isOnGpu };
  }

  /** Gives up what is being found out. Idempotent. */
  close(): void {
    this.#aborting.abort();
  }

  /** Each of several devices is tried for itself: sessions are spread over those that work. */
  async #probeAll(
    parameters: GraphicsSelectionParameters,
    devices: readonly GraphicsDevice[],
    device: GraphicsDevice | undefined,
  ): Promise<void> {
    const executablePath = await findBrowser(parameters.launchOptions.executablePath);
    const version = await browserIdentity(executablePath);
    const apart = device === undefined ? devicesApart(devices) : [device];
    for (const one of triedDevices(devices, device)) {
      await this.#probe({ ...parameters, executablePath, version }, devices, one);
      if (this.#aborting.signal.aborted) return;
    }
    const works = apart.filter((one) => this.#launches.has(one));
    if (works.length > 0) this.#assignment = new DeviceAssignment(works, systemClock);
    this.#isSettled = true;
  }

  async #probe(
    {
      launchOptions,
      logger,
      root = '/',
      executablePath,
      version,
      ...given
    }: GraphicsSelectionParameters & { readonly executablePath: string; readonly version: string },
    devices: readonly GraphicsDevice[],
    device: GraphicsDevice | undefined,
  ): Promise<void> {
    const file = given.file ?? new VerdictFile(undefined, logger);
    const reports = await probeRenderers({
      launchOptions: { ...launchOptions, executablePath },
      ...{ devices, device, file, root, thorough: false, keepsAlive: false },
      key: verdictKey(version, devices, device, launchOptions, root),
      tryRenderer: given.tryRenderer ?? tryRenderer,
      ...(given.isSoftware === undefined ? {} : { isSoftware: given.isSoftware }),
      signal: this.#aborting.signal,
      nowMs: () => Date.now(),
      onNotStored: (error) =>
        logger.debug({ err: asError(error) }, 'what is known of the graphics could not be stored'),
    });
    if (this.#aborting.signal.aborted) return;
    const works = reports.find((report) => report.works);
    const chosen = FLAG_SETS.find(({ name }) => name === works?.flagSet);
    if (chosen !== undefined) this.#launches.set(device, graphicsLaunch(chosen, device));
    const refused = Object.fromEntries(
      reports.filter((report) => !report.works).map(({ flagSet, reason = '' }) => [flagSet, reason]),
    );
    const on = device === undefined ? {} : { device: device.path };
    if (works === undefined) {
      this.#logger.warn({ ...on, refused }, 'pages are drawn on the CPU although there is a GPU');
    } else {
      const { flagSet, renderer = '', webgpu = false } = works;
      this.#logger.info({ ...on, flagSet, renderer, webgpu, refused }, 'pages are drawn on the GPU');
    }
  }
}

/**
 * Those of which each can be drawn on. NVIDIA's driver takes what the container shows it, whatever it is told: all of its
 * devices are one.
 */
function devicesApart(devices: readonly GraphicsDevice[]): readonly GraphicsDevice[] {
  const [nvidia] = devices.filter(isNvidia);
  return devices.filter((device) => device === nvidia || !isNvidia(device));
}

/** Also of a render node that has no file of NVIDIA's beside it. Nouveau is a driver of Mesa. */
function isNvidia({ driver }: GraphicsDevice): boolean {
  return /^nvidia\b/.test(driver);
}

/**
 * The devices that are tried one after another; undefined: whichever the driver takes.
 *
 * @param devices - which this process may use.
 * @param device - that the user has named.
 */
export function triedDevices(
  devices: readonly GraphicsDevice[],
  device: GraphicsDevice | undefined,
): readonly (GraphicsDevice | undefined)[] {
  if (device !== undefined) return [device];
  const apart = devicesApart(devices);
  return apart.length < 2 ? [undefined] : apart;
}

/** Of what is known of a browser on these devices, if it is launched by these options. The options are in it as a hash. */
export function verdictKey(
  version: string,
  devices: readonly GraphicsDevice[],
  device: GraphicsDevice | undefined,
  { args = [], env = {}, headless = true }: LaunchOptions,
  root = '/',
): string {
  const variables = Object.entries(env).sort(([one], [other]) => (one < other ? -1 : 1));
  const options = createHash('sha256')
    .update(JSON.stringify([args, variables, headless]))
    .digest('hex')
    .slice(0, 32);
  return [version, device?.path ?? 'any', driverFingerprint(devices, root), options].join(' | ');
}

/** Tells one version of a browser from another: what it prints, or else what tells its file from another. Never rejects. */
export async function browserIdentity(executablePath: string): Promise<string> {
  const printed = (await printedVersion(executablePath)).trim().slice(0, MAX_VERSION_LENGTH);
  if (printed !== '') return printed;
  const file = await stat(executablePath).catch(() => undefined);
  return file === undefined ? executablePath : `${executablePath} ${file.size} ${Math.round(file.mtimeMs)}`;
}

/** @throws StreamKitError `bad_option` where the machine does not have it. */
export function namedDevice(devices: readonly GraphicsDevice[], name: string): GraphicsDevice {
  const device = deviceNamed(devices, name);
  if (device !== undefined) return device;
  const found = devices.length === 0 ? 'none' : devices.map(({ path }) => path).join(', ');
  throw new StreamKitError(
    'bad_option',
    `Expected a graphics device of this machine for gpu.device but received ${name}; found: ${found}`,
  );
}
