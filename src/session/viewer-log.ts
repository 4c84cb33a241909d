import type { Clock } from '../base/clock.js';
import type { VideoCodec } from '../render/encode/encoded-frame.js';
import { StreamKitError } from '../base/errors.js';
import type { LogContext, Logger } from '../base/logger.js';
import type { ObserveSession, SessionEvents } from './session-events.js';

export interface ViewerLogParameters {
  readonly streamId: string;
  /** The public one: 1 for the first viewer of the session. */
  readonly viewer: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observe: ObserveSession;
}

/** What is told of one viewer, to the log and to whoever observes: under its number, since its id is a secret. */
export class ViewerLog {
  readonly logger: Logger;
  /** For what other rooms log of it. */
  readonly logContext: LogContext;
  readonly #parameters: ViewerLogParameters;
  readonly #joinedAtUs: number;
  #left = false;

  constructor(parameters: ViewerLogParameters) {
    const { viewer, clock, logger } = parameters;
    this.#parameters = parameters;
    this.#joinedAtUs = clock.nowUs();
    this.logger = logger.child({ viewer });
    this.logContext = this.#who;
  }

  /** What it is called where its id, a secret, must not be told. */
  get publicId(): string {
    return String(this.#parameters.viewer);
  }

  join(): void {
    this.#parameters.observe('viewer:join', this.#who);
  }

  /** An offer is begun. What is returned tells how it went on. */
  offer(): ConnectionLog {
    const { clock, observe } = this.#parameters;
    const offeredAtUs = clock.nowUs();
    const sinceMs = (): number => (clock.nowUs() - offeredAtUs) / 1000;
    return {
      connected: (codec) => {
        const connectMs = sinceMs();
        observe('viewer:connect', { ...this.#who, codec, connectMs });
        this.logger.debug({ codec, connectMs }, 'viewer connected');
      },
      firstFrame: (codec) => observe('viewer:first-frame', { ...this.#who, codec, firstFrameMs: sinceMs() }),
      failed: (error) => {
        const code = error instanceof StreamKitError ? error.code : 'internal';
        observe('viewer:fail', { ...this.#who, code });
        this.logger.warn({ err: error }, 'viewer peer failed');
      },
    };
  }

  /** It leaves; the first call counts. */
  leave(reason: SessionEvents['viewer:leave']['reason']): void {
    if (this.#left) return;
    this.#left = true;
    const { clock, observe } = this.#parameters;
    const ageMs = (clock.nowUs() - this.#joinedAtUs) / 1000;
    observe('viewer:leave', { ...this.#who, reason, ageMs });
    this.logger.debug({ reason }, 'viewer left');
  }

  get #who(): { readonly streamId: string; readonly viewer: number } {
    const { streamId, viewer } = this.#parameters;
    return { streamId, viewer };
  }
}

/** What is told of one peer connection of a viewer. */
export interface ConnectionLog {
  connected(codec: VideoCodec): void;
  firstFrame(codec: VideoCodec): void;
  failed(error: Error): void;
}
