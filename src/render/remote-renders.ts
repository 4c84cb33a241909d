import { stat } from 'node:fs/promises';

import type { LaunchOptions } from 'puppeteer';

import { asError } from '../base/errors.js';
import type { LogContext, Logger } from '../base/logger.js';
import { EgressProxy } from '../egress/egress-proxy.js';
import type { MediaPlane } from '../fanout/media-plane.js';
import type { ResolvedSessionProcessOptions } from '../options/session-process-options.js';
import type { TargetPolicy } from '../options/target-policy-options.js';
import type { CaptureKind, CaptureParameters } from './capture/capture.js';
import { audioFileBytes, frameRingLayout, videoFileBytes } from './capture/frame-ring.js';
import { createProfileDirectory, sweepProfileDirectories } from './capture/profile-directory.js';
import type { EncoderSelection } from './encode/encoder-selection.js';
import type { GraphicsSelection } from './graphics/graphics-selection.js';
import { LaunchQueue } from './launch-queue.js';
import type { SessionLimiter } from './limits/session-limiter.js';
import { RemoteRender, type RemoteRenderOptions } from './remote-render.js';
import type { OpenRender, Render, RenderListener } from './render.js';
import { SessionProcess } from './session-process-supervisor.js';

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
  readonly graphics: Pick<GraphicsSelection, 'ready' | 'take' | 'launchOptions' | 'renderingOf'>;
  /** See the option `lipSync`. */
  readonly lipSyncToleranceMs: number;
  /** See the option `soundDtx`. */
  readonly soundDtx: boolean;
  readonly mediaPlane: MediaPlane;
  readonly sessionProcess: ResolvedSessionProcessOptions;
  readonly limiter: SessionLimiter;
  readonly logger: Logger;
}

/** Opens renders in session processes, one each, and keeps one started ahead. */
export interface RemoteRenders {
  readonly open: OpenRender;
  /** Ends the process that was started ahead; renders are their owners'. Idempotent. */
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
  let closed = false;
  /** Where the browser was found: to look for it takes a process 0.2 s and 28 MiB, for Puppeteer's own download. */
  let foundBrowser: string | undefined;
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
  return {
    open: async (parameters, listener, signal, logContext) => {
      await swept;
      signal.throwIfAborted();
      await unlessAborted(options.graphics.ready(), signal);
      const leave = await launches.enter(signal);
      listener.onLaunching?.();
      const lease = options.graphics.take();
      const launchOptions = {
        ...(foundBrowser === undefined ? {} : { executablePath: foundBrowser }),
        ...options.graphics.launchOptions(options.launchOptions, lease?.device),
      };
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
          { ...options, launchOptions, lease, onLaunched, onFoundBrowser: (path) => (foundBrowser = path) },
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
    },
    close: async () => {
      closed = true;
      await spare?.close();
    },
  };
}

/** Rejects as soon as the signal aborts: the work goes on by itself. */
function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

async function openRemoteRender(
  session: SessionProcess,
  options: RemoteRendersOptions & RemoteRenderOptions,
  parameters: CaptureParameters,
  listener: RenderListener,
  signal: AbortSignal,
  logContext: LogContext = {},
): Promise<Render> {
  const { targetPolicy, launchOptions, capture, launchTimeoutMs, loadTimeoutMs, hangTimeoutMs } = options;
  const logger = options.logger.child({ ...logContext, sessionPid: session.pid ?? 0 });
  let egress: EgressProxy | undefined;
  let remote: RemoteRender | undefined;
  try {
    const layout = frameRingLayout(parameters.width, parameters.height);
    const profileDirectory = await createProfileDirectory(
      videoFileBytes(layout) + audioFileBytes(layout) + (await storedBytes(parameters)),
    );
    remote = new RemoteRender(
      session,
      profileDirectory,
      options,
      listener,
      logger,
      String(logContext.streamId ?? ''),
    );
    // A function cannot be sent to another process: the proxy that asks it is here.
    if (typeof targetPolicy.allowPrivateAddresses === 'function') {
      egress = await EgressProxy.open(targetPolicy, logger, undefined, undefined, {
        onRefused: options.onEgressRefused,
        upstream: parameters.upstreamProxy,
      });
      remote.owns(egress);
    }
    const abort = (): void => void remote?.close();
    signal.addEventListener('abort', abort, { once: true });
    try {
      await remote.open({
        ...{ launchTimeoutMs, loadTimeoutMs, hangTimeoutMs },
        ...{ parameters, launchOptions, capture, profileDirectory, targetPolicy },
        egressProxy: egress?.url,
        hasSockets: session.sockets.length > 0,
        lipSyncToleranceMs: options.lipSyncToleranceMs,
        soundDtx: options.soundDtx,
      });
      signal.throwIfAborted();
      return remote;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  } catch (error) {
    await (remote ?? session).close();
    throw error;
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
