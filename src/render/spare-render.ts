import { StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { EgressProxy } from '../egress/egress-proxy.js';
import type { CaptureParameters } from './capture/capture.js';
import { worldFlags } from './capture/page-world.js';
import type { BrowserShape } from './capture/ready-browser.js';
import type { DeviceLease } from './graphics/device-assignment.js';
import { type PreparedBrowser, type PrepareOrder, reportedError } from './render-messages.js';
import type { SessionProcess } from './session-process-supervisor.js';
import type { Spare } from './warm-pool.js';

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

/** The session process answers the first order of its life by this id. */
const PREPARE_ID = 0;

/** A session process whose browser waits for a session: launched, captured, and without anything of a session in it. */
export class SpareRender implements Spare {
  readonly place: RenderPlace;
  readonly executablePath: string;

  private constructor(place: RenderPlace, executablePath: string) {
    this.place = place;
    this.executablePath = executablePath;
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
    const { session, profileDirectory } = place;
    let giveUp: (() => void) | undefined;
    try {
      signal.throwIfAborted();
      const { executablePath } = await new Promise<PreparedBrowser>((resolve, reject) => {
        // A process that is closed does not tell its end: nobody else settles this.
        giveUp = () => reject(signal.reason as Error);
        signal.addEventListener('abort', giveUp, { once: true });
        const lose = (error: StreamKitError): void => {
          reject(error);
          onLost();
        };
        const name = `spare-${session.pid ?? 0}`;
        session.use(
          name,
          {
            onReport: (report) => {
              if (report.type === 'done') resolve(report.result as PreparedBrowser);
              else if (report.type === 'failed' || report.type === 'ended') lose(reportedError(report.error));
              else if (report.type === 'log') logger[report.level](report.context, report.message);
            },
            onTapEntry: () => undefined,
            onLost: lose,
          },
          profileDirectory,
        );
        session.rest();
        if (!session.send({ type: 'prepare', id: PREPARE_ID, ...order }))
          reject(new StreamKitError('unavailable', 'The session process takes no orders'));
      });
      signal.throwIfAborted();
      return new SpareRender(place, executablePath);
    } catch (error) {
      await closePlace(place);
      throw error;
    } finally {
      if (giveUp !== undefined) signal.removeEventListener('abort', giveUp);
    }
  }

  get isAlive(): boolean {
    return this.place.session.isAlive;
  }

  close(): Promise<void> {
    return closePlace(this.place);
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
    shape.audio === parameters.audio &&
    shape.upstreamProxy?.url === upstreamProxy?.url &&
    shape.upstreamProxy?.isChecked === upstreamProxy?.isChecked &&
    flags(shape.page) === flags(page)
  );
}

async function closePlace({ session, egress, lease }: RenderPlace): Promise<void> {
  await session.close();
  await egress?.close();
  lease?.release();
}
