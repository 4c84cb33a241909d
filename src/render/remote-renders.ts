import { stat } from 'node:fs/promises';

import type { LaunchOptions } from 'puppeteer';

import { cleanUp } from '../base/clean-up.js';
import { backgroundClock } from '../base/clock.js';
import { asError } from '../base/errors.js';
import type { LogContext, Logger } from '../base/logger.js';
import { unlessAborted } from '../base/unless-aborted.js';
import { EgressProxy } from '../egress/egress-proxy.js';
import type { MediaPlane } from '../fanout/media-plane.js';
import { MAX_PRELOAD_BYTES, type ResolvedPoolOptions } from '../options/pool-options.js';
import type { ResolvedSessionProcessOptions } from '../options/session-process-options.js';
import type { TargetPolicy } from '../options/target-policy-options.js';
import type { BrowserVersion } from './capture/browser-version.js';
import type { PreloadCounts } from './capture/cache-preload.js';
import type { CaptureKind, CaptureParameters } from './capture/capture.js';
import { audioFileBytes, frameRingLayout, videoFileBytes } from './capture/frame-ring.js';
import {
  createProfileDirectory,
  removeProfileDirectory,
  sweepProfileDirectories,
} from './capture/profile-directory.js';
import type { BrowserShape } from './capture/ready-browser.js';
import type { EncoderSelection } from './encode/encoder-selection.js';
import type { DeviceLease } from './graphics/device-assignment.js';
import type { GraphicsSelection } from './graphics/graphics-selection.js';
import { settledOrLate } from './graphics/settled-or-late.js';
import { LaunchQueue } from './launch-queue.js';
import type { SessionLimiter } from './limits/session-limiter.js';
import { RemoteRender, type RemoteRenderOptions } from './remote-render.js';
import type { OpenedRender, OpenOrder } from './render-messages.js';
import type { OpenRender, Render, RenderListener } from './render.js';
import { SessionProcess } from './session-process-supervisor.js';
import { isFit, type RenderPlace, SpareRender } from './spare-render.js';
import { WarmPool } from './warm-pool.js';
import { openWarmRender } from './warm-render.js';

export interface RemoteRendersOptions {
  readonly launchOptions: LaunchOptions;
  /** `auto`: the tab where the browser can be captured, else the screencast. */
  readonly capture: CaptureKind | 'auto';
  readonly launchTimeoutMs: number;
  readonly loadTimeoutMs: number;
  readonly hangTimeoutMs: number;
  /** What pages may reach. */
  readonly targetPolicy: TargetPolicy;
  /** A page was refused what the policy does not permit; by error type of RFC 9209. */
  readonly onEgressRefused: (errorType: string) => void;
  readonly encoders: EncoderSelection;
  readonly graphics: Pick<GraphicsSelection, 'ready' | 'take' | 'launchOptions' | 'renderingOf' | 'encoders'>;
  /** See the option `lipSync`. */
  readonly lipSyncToleranceMs: number;
  /** See the option `soundDtx`. */
  readonly soundDtx: boolean;
  readonly mediaPlane: MediaPlane;
  readonly sessionProcess: ResolvedSessionProcessOptions;
  readonly limiter: SessionLimiter;
  /** Browsers that are kept ready, and for what. Default: none. */
  readonly pool?: (ResolvedPoolOptions & { readonly shape: BrowserShape }) | undefined;
  readonly logger: Logger;
}

/** Opens renders in session processes, one each, and keeps some of them ready. */
export interface RemoteRenders {
  readonly open: OpenRender;
  /** Undefined: there is none. It begins empty, until somebody says what there is room for. */
  readonly pool: WarmPool<SpareRender> | undefined;
  /** What all of them have loaded ahead. */
  readonly preloads: PreloadCounts;
  /** Ends the processes that were started ahead; renders are their owners'. Idempotent. */
  close(): Promise<void>;
}

/** Begins by clearing up after servers that were killed. */
export function openRemoteRenders(options: RemoteRendersOptions): RemoteRenders {
  const { logger } = options;
  const swept = sweepProfileDirectories(logger).catch((error: unknown) => {
    logger.warn({ err: asError(error) }, 'could not look for the profiles of servers that are gone');
  });
  const { launchesAtOnce, heapBytes } = options.sessionProcess;
  const launches = new LaunchQueue(launchesAtOnce);
  const start = (): SessionProcess => new SessionProcess({ ...options, heapBytes });
  let spare: SessionProcess | undefined;
  let opening = 0;
  let closed = false;
  /** Where the browser was found: to look for it takes a process 0.2 s and 28 MiB, for Puppeteer's own download. */
  let foundBrowser: string | undefined;
  let knownVersion: BrowserVersion | undefined;
  /** The one that waits, if it lives; one that has died while it waited is cleared away. */
  const takeSpare = (): SessionProcess | undefined => {
    const waited = spare;
    spare = undefined;
    if (waited?.isAlive === true) return waited;
    void waited?.close();
    return undefined;
  };
  const prepare = (): void => {
    if (!options.sessionProcess.spare || closed) return;
    try {
      spare = takeSpare() ?? start();
      spare.rest();
    } catch (error) {
      logger.debug({ err: asError(error) }, 'no process could be started ahead');
    }
  };
  prepare();
  const withBrowser = (
    executablePath: string | undefined,
    lease: DeviceLease | undefined,
  ): LaunchOptions => ({
    ...(executablePath === undefined ? {} : { executablePath }),
    ...options.graphics.launchOptions(options.launchOptions, lease?.device),
  });
  const preloads = { loaded: 0, failed: 0 };
  const pool =
    options.pool &&
    openPool(options, options.pool, {
      takeProcess: () => takeSpare() ?? start(),
      launchOptions: (lease) => withBrowser(foundBrowser, lease),
      knownVersion: () => knownVersion,
      ready: swept,
      isBusy: () => opening > 0,
      onStarted: prepare,
      onPreloaded: ({ loaded, failed }) => {
        preloads.loaded += loaded;
        preloads.failed += failed;
      },
    });
  const onFoundBrowser = ({ executablePath, version }: OpenedRender): void => {
    foundBrowser = executablePath;
    knownVersion = version;
  };
  const open: OpenRender = async (parameters, listener, signal, logContext) => {
    await swept;
    signal.throwIfAborted();
    const waiting = options.pool && pool?.take(isFit(options.pool.shape, parameters));
    if (pool !== undefined && waiting !== undefined) {
      listener.onLaunching?.();
      const { lease } = waiting.place;
      const launchOptions = withBrowser(waiting.executablePath, lease);
      const openIn = (onLaunched: () => void): Promise<Render> =>
        openRemoteRender(
          waiting,
          { ...options, launchOptions, lease, onLaunched, onFoundBrowser },
          knownVersion,
          parameters,
          listener,
          signal,
          logContext,
        );
      const warm = await openWarmRender(waiting, pool, openIn, signal, logger);
      if (warm !== undefined) return warm;
    }
    await settledOrLate(options.graphics.ready(), backgroundClock, signal);
    const leave = await launches.enter(signal);
    // Without room for it, spares go first.
    pool?.look();
    listener.onLaunching?.();
    const lease = options.graphics.take();
    const launchOptions = withBrowser(foundBrowser, lease);
    foundBrowser = undefined;
    try {
      const session = takeSpare() ?? start();
      const onLaunched = (): void => {
        leave();
        // Not before: what starts meanwhile delays this one.
        prepare();
      };
      return await openRemoteRender(
        session,
        { ...options, launchOptions, lease, onLaunched, onFoundBrowser },
        knownVersion,
        parameters,
        listener,
        signal,
        logContext,
      );
    } catch (error) {
      lease?.release();
      throw error;
    } finally {
      leave();
      prepare();
    }
  };
  return {
    ...{ pool, preloads },
    open: async (...order) => {
      opening += 1;
      try {
        return await open(...order);
      } finally {
        opening -= 1;
        pool?.postpone();
      }
    },
    close: async () => {
      closed = true;
      await Promise.all([pool?.close(), spare?.close()]);
    },
  };
}

function openPool(
  options: RemoteRendersOptions,
  { shape, size, maxAgeMs, preload }: NonNullable<RemoteRendersOptions['pool']>,
  parts: {
    takeProcess(): SessionProcess;
    launchOptions(lease: DeviceLease | undefined): LaunchOptions;
    knownVersion(): BrowserVersion | undefined;
    readonly ready: Promise<void>;
    isBusy(): boolean;
    /** One has been launched, or could not be. */
    onStarted(): void;
    onPreloaded(counts: PreloadCounts): void;
  },
): WarmPool<SpareRender> {
  const { logger } = options;
  return new WarmPool<SpareRender>({
    ...{ size, maxAgeMs, isBusy: () => parts.isBusy(), clock: backgroundClock, logger },
    start: async (onLost, signal) => {
      await parts.ready;
      await unlessAborted(options.graphics.ready(), signal);
      signal.throwIfAborted();
      const lease = options.graphics.take();
      try {
        const session = parts.takeProcess();
        const storedBytes = preload.length > 0 ? MAX_PRELOAD_BYTES : 0;
        const place = { ...(await openPlace(session, options, shape, storedBytes, logger)), lease };
        const order = {
          ...placeOrder(place, options),
          ...{
            launchOptions: parts.launchOptions(lease),
            knownVersion: parts.knownVersion(),
            shape,
            preload,
          },
        };
        const spare = await SpareRender.open(place, order, onLost, signal, logger);
        parts.onPreloaded(spare.preloads);
        return spare;
      } catch (error) {
        lease?.release();
        throw error;
      } finally {
        parts.onStarted();
      }
    },
  });
}

/** What a process needs of the host. The process is closed if it cannot be had. */
async function openPlace(
  session: SessionProcess,
  options: RemoteRendersOptions,
  { width, height, upstreamProxy }: BrowserShape,
  storedBytes: number,
  logger: Logger,
): Promise<RenderPlace> {
  const { targetPolicy, onEgressRefused: onRefused } = options;
  try {
    const layout = frameRingLayout(width, height);
    const profileDirectory = await createProfileDirectory(
      videoFileBytes(layout) + audioFileBytes(layout) + storedBytes,
    );
    try {
      // A function cannot be sent to another process: the proxy that asks it is here.
      const egress =
        typeof targetPolicy.allowPrivateAddresses === 'function'
          ? await EgressProxy.open(targetPolicy, logger, undefined, undefined, {
              ...{ onRefused, upstream: upstreamProxy },
            })
          : undefined;
      return { session, profileDirectory, egress, lease: undefined };
    } catch (error) {
      await cleanUp(removeProfileDirectory(profileDirectory), 'the profile of a browser', logger);
      throw error;
    }
  } catch (error) {
    await cleanUp(session.close(), 'a session process', logger);
    throw error;
  }
}

/** What of an order is known of the place alone. */
function placeOrder(
  { session, profileDirectory, egress }: RenderPlace,
  options: RemoteRendersOptions,
): Omit<OpenOrder, 'parameters' | 'launchOptions' | 'knownVersion'> {
  const { targetPolicy, capture, launchTimeoutMs, loadTimeoutMs, hangTimeoutMs } = options;
  return {
    ...{ launchTimeoutMs, loadTimeoutMs, hangTimeoutMs, capture, profileDirectory, targetPolicy },
    egressProxy: egress?.url,
    hasSockets: session.sockets.length > 0,
    lipSyncToleranceMs: options.lipSyncToleranceMs,
    soundDtx: options.soundDtx,
  };
}

async function openRemoteRender(
  taken: SessionProcess | SpareRender,
  options: RemoteRendersOptions & RemoteRenderOptions,
  knownVersion: BrowserVersion | undefined,
  parameters: CaptureParameters,
  listener: RenderListener,
  signal: AbortSignal,
  logContext: LogContext = {},
): Promise<Render> {
  const isWarm = taken instanceof SpareRender;
  const { pid: sessionPid = 0 } = isWarm ? taken.place.session : taken;
  const logger = options.logger.child({ ...logContext, sessionPid });
  const place = isWarm
    ? taken.place
    : await openPlace(taken, options, parameters, await storedBytes(parameters), logger);
  const streamId = String(logContext.streamId ?? '');
  const remote = new RemoteRender(place, isWarm, options, listener, logger, streamId);
  const abort = (): void => void remote.close();
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    await remote.open({
      ...placeOrder(place, options),
      ...{ parameters, launchOptions: options.launchOptions, knownVersion },
    });
    signal.throwIfAborted();
    return remote;
  } catch (error) {
    await cleanUp(remote.close(), 'a render that could not be opened', logger);
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** What the profile begins with, bytes. One that cannot be read is told of by whoever reads it. */
async function storedBytes({ profile }: CaptureParameters): Promise<number> {
  if (profile === undefined) return 0;
  return stat(profile.path).then(
    ({ size }) => size,
    () => 0,
  );
}
