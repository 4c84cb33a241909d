import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import { EgressRefusals } from '../egress/egress-refusals.js';
import { worldOf } from '../egress/upstream-proxy.js';
import type { MediaPlane } from '../fanout/media-plane.js';
import type { ResolvedOptions } from '../options/stream-kit-options.js';
import type { EncoderSelection } from './encode/encoder-selection.js';
import { FrameTiming } from './encode/frame-timing.js';
import { GraphicsSelection } from './graphics/graphics-selection.js';
import { openSessionLimiter } from './limits/open-session-limiter.js';
import { OpusPayloader } from './packetize/opus-payloader.js';
import { createVideoPayloader } from './packetize/video-payloader.js';
import { openRemoteRenders, type RemoteRenders } from './remote-renders.js';
import type { OpenRestartableRender } from './render.js';
import { createOpenRestartingRender } from './restarting-render.js';

/** The options of the room. */
export type RendersOptions = Pick<
  ResolvedOptions,
  | 'capture'
  | 'defaultViewport'
  | 'gpu'
  | 'hangTimeoutMs'
  | 'launchTimeoutMs'
  | 'lipSync'
  | 'loadTimeoutMs'
  | 'page'
  | 'pool'
  | 'puppeteerLaunchOptions'
  | 'restart'
  | 'sessionLimits'
  | 'sessionProcess'
  | 'soundDtx'
  | 'targetPolicy'
>;

export interface RendersParts {
  readonly encoders: EncoderSelection;
  readonly mediaPlane: MediaPlane;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What renders pages. */
export interface Renders {
  /** What sessions are made of. */
  readonly parts: {
    readonly openRender: OpenRestartableRender;
    readonly createVideoPayloader: typeof createVideoPayloader;
    readonly createAudioPayloader: () => OpusPayloader;
    readonly createFrameTiming: () => FrameTiming;
    readonly pool: RemoteRenders['pool'];
  };
  /** What spare browsers have loaded ahead. */
  readonly preloads: RemoteRenders['preloads'];
  readonly egressRefusals: EgressRefusals;
  /** Pages are drawn on a GPU; false until that is found out. */
  readonly drawsOnGpu: () => boolean;
  /** Ends the process that was started ahead; renders are their owners'. Idempotent. */
  close(): Promise<void>;
}

/** Of a session whose request names nothing else. */
const DEFAULT_SHAPE = { deviceScaleFactor: 1, frameRate: 30, audio: true };

/**
 * Begins by clearing up after servers that were killed.
 *
 * @throws StreamKitError `bad_option` where the machine does not have the device that the option `gpu` names.
 */
export function openRenders(
  options: RendersOptions,
  { encoders, mediaPlane, clock, logger }: RendersParts,
): Renders {
  const { restart, launchTimeoutMs, loadTimeoutMs } = options;
  const { toleranceMs } = options.lipSync;
  const egressRefusals = new EgressRefusals();
  const { gpu, puppeteerLaunchOptions: launchOptions } = options;
  const graphics = new GraphicsSelection({ gpu, launchOptions, logger });
  const remote = openRemoteRenders({
    ...options,
    launchOptions,
    lipSyncToleranceMs: toleranceMs,
    onEgressRefused: (errorType) => egressRefusals.add(errorType),
    pool: options.pool && {
      ...options.pool,
      shape: { ...options.defaultViewport, ...DEFAULT_SHAPE, ...worldOf(options.page, {}) },
    },
    limiter: openSessionLimiter(options.sessionLimits, clock, logger),
    ...{ encoders, graphics, mediaPlane, logger },
  });
  const openRender = createOpenRestartingRender({
    open: remote.open,
    launchLimitMs: launchTimeoutMs + loadTimeoutMs,
    ...{ restart, clock, logger },
  });
  return {
    parts: {
      openRender,
      createVideoPayloader,
      createAudioPayloader: () => new OpusPayloader(toleranceMs),
      createFrameTiming: () => new FrameTiming(),
      pool: remote.pool,
    },
    preloads: remote.preloads,
    egressRefusals,
    drawsOnGpu: () => graphics.drawsOnGpu,
    close: () => {
      graphics.close();
      return remote.close();
    },
  };
}
