import { cleanUp } from '../base/clean-up.js';
import { StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { unlessAborted } from '../base/unless-aborted.js';
import { withTimeout } from '../base/with-timeout.js';
import type { EgressProxy } from '../egress/egress-proxy.js';
import type { PreloadCounts } from './capture/cache-preload.js';
import type { CaptureParameters } from './capture/capture.js';
import { worldFlags } from './capture/page-world.js';
import type { BrowserShape } from './capture/ready-browser.js';
import type { DeviceLease } from './graphics/device-assignment.js';
import {
  type AnsweredOrder,
  type PreparedBrowser,
  type PrepareOrder,
  type RenderReport,
  reportedError,
} from './render-messages.js';
import type { SessionProcess } from './session-process-supervisor.js';
import type { CheckedSpare } from './warm-render.js';

/** Where a render is to live: a process, with what the host has made for it. */
export interface RenderPlace {
  readonly session: SessionProcess;
  /** The browser's profile and the shared files. */
  readonly profileDirectory: string;
  /** Undefined: there is none, or the session process has it. */
  readonly egress: EgressProxy | undefined;
  /** Of the device that draws a spare's page; undefined: it is told otherwise, or there is none. */
  readonly lease: DeviceLease | undefined;
}

/** Of the orders before those of a session, whose ids begin at 1. */
const PREPARE_ID = 0;
const CHECK_ID = -1;
/** A browser that answers answers at once; one that is launched in its place takes about as long as this. */
const CHECK_TIMEOUT_MS = 2_000;

interface Asked {
  readonly id: number;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** A session process whose browser waits for a session: launched, captured, and without anything of a session in it. */
export class SpareRender implements CheckedSpare {
  readonly place: RenderPlace;
  readonly #onLost: () => void;
  readonly #logger: Logger;
  #executablePath = '';
  #preloads: PreloadCounts = { loaded: 0, failed: 0 };
  /** What is not answered yet. */
  #asked: Asked | undefined;
  #lostError: StreamKitError | undefined;

  private constructor(place: RenderPlace, onLost: () => void, logger: Logger) {
    this.place = place;
    this.#onLost = onLost;
    this.#logger = logger;
  }

  /**
   * Has the session process launch its browser. What was brought in is closed if that fails.
   *
   * @param onLost - it has died, or its browser has.
   */
  static async open(
    place: RenderPlace,
    order: PrepareOrder,
    onLost: () => void,
    signal: AbortSignal,
    logger: Logger,
  ): Promise<SpareRender> {
    const spare = new SpareRender(place, onLost, logger);
    try {
      signal.throwIfAborted();
      // A process that is closed does not tell its end: the signal has to settle this.
      await unlessAborted(spare.#prepare(order), signal);
      return spare;
    } catch (error) {
      await cleanUp(spare.close(), 'a render that was prepared', logger);
      throw error;
    }
  }

  get executablePath(): string {
    return this.#executablePath;
  }

  get preloads(): PreloadCounts {
    return this.#preloads;
  }

  get isAlive(): boolean {
    return this.place.session.isAlive;
  }

  /** Rejects if its browser does not answer in time. */
  async check(timeoutMs = CHECK_TIMEOUT_MS): Promise<void> {
    await withTimeout(this.#ask({ type: 'check', id: CHECK_ID }), timeoutMs);
  }

  async close(): Promise<void> {
    const { session, egress, lease } = this.place;
    await session.close();
    await egress?.close();
    lease?.release();
  }

  async #prepare(order: PrepareOrder): Promise<void> {
    const { session, profileDirectory } = this.place;
    session.use(
      `spare-${session.pid ?? 0}`,
      {
        onReport: (report) => this.#onReport(report),
        onTapEntry: () => undefined,
        onLost: (error) => this.#lose(error),
      },
      profileDirectory,
    );
    session.rest();
    const prepared = (await this.#ask({ type: 'prepare', id: PREPARE_ID, ...order })) as PreparedBrowser;
    this.#executablePath = prepared.executablePath;
    this.#preloads = prepared.preloads;
  }

  /** One at a time. */
  #ask(order: AnsweredOrder & { readonly id: number }): Promise<unknown> {
    if (this.#lostError !== undefined) return Promise.reject(this.#lostError);
    return new Promise((resolve, reject) => {
      this.#asked = { id: order.id, resolve, reject };
      if (!this.place.session.send(order))
        reject(new StreamKitError('unavailable', 'The session process takes no orders'));
    });
  }

  #onReport(report: RenderReport): void {
    if (report.type === 'ended') this.#lose(reportedError(report.error));
    else if (report.type === 'log') this.#logger[report.level](report.context, report.message);
    else if ('id' in report && report.id === this.#asked?.id) {
      if (report.type === 'done') this.#asked.resolve(report.result);
      else this.#asked.reject(reportedError(report.error));
    }
  }

  #lose(error: StreamKitError): void {
    this.#lostError ??= error;
    this.#asked?.reject(error);
    this.#onLost();
  }
}

/**
 * Whether a browser of this shape is the one that would be launched for a session. Its size and frame rate may differ, and whatever is
 * applied to a browser that runs.
 */
export function isFit(shape: BrowserShape, parameters: CaptureParameters): boolean {
  const { page = {}, upstreamProxy, profile } = parameters;
  const flags = (of: BrowserShape['page'] = {}): string => JSON.stringify(worldFlags(of, of.userAgent));
  return (
    profile === undefined &&
    shape.deviceScaleFactor === parameters.deviceScaleFactor &&
    (shape.audio || !parameters.audio) &&
    shape.upstreamProxy?.url === upstreamProxy?.url &&
    shape.upstreamProxy?.isChecked === upstreamProxy?.isChecked &&
    flags(shape.page) === flags(page)
  );
}
