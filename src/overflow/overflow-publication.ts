import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import { answerOf } from '../base/deadline.js';
import { asError } from '../base/errors.js';
import type { OverflowPublishHook } from '../options/overflow-options.js';
import type { PublicationRequest } from '../protocol/publications.js';
import type { PublicationStatus } from '../protocol/state-document.js';

/** What publishes the session; the publications of its owner are beside it. */
export interface OverflowPublisher {
  /** Begins. @returns its id. @throws StreamKitError. */
  start(request: PublicationRequest): string;
  /** Undefined: there is none any more. */
  statusOf(publicationId: string): PublicationStatus | undefined;
  /** Ends it, if it is there. Never rejects. */
  end(publicationId: string): Promise<void>;
}

export interface OverflowPublicationParameters {
  readonly streamId: string;
  readonly publish: string | OverflowPublishHook;
  readonly publisher: OverflowPublisher;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long the first viewer waits for the publication, ms. */
const LIVE_TIMEOUT_MS = 10_000;
/** After a failure nobody is sent there for so long, ms. */
export const COOL_DOWN_MS = 10_000;
/** One that is being tried again for so long may not come back soon, ms. */
const LOST_MS = 5000;

/** The one publication of a session that its viewers elsewhere live on. */
export class OverflowPublication {
  readonly #parameters: OverflowPublicationParameters;
  #opening: Promise<void> | undefined;
  /** What was begun and neither has failed nor was ended. */
  #attempt: object | undefined;
  /** It has not been live yet. */
  #isPending = false;
  #id: string | undefined;
  /** Settles what waits for it to be live. */
  #settle: ((error?: Error) => void) | undefined;
  #failedAtUs = -Infinity;
  #downSinceUs: number | undefined;
  #closed = false;

  constructor(parameters: OverflowPublicationParameters) {
    this.#parameters = parameters;
  }

  /** It was begun, and has not ended. */
  get isOpen(): boolean {
    return this.#opening !== undefined;
  }

  /** A viewer may be sent there: it is live, or may yet be. */
  get isUsable(): boolean {
    if (this.#closed || this.#isCooling) return false;
    return !this.isOpen || this.#isPending || this.#status === 'live';
  }

  /** Whoever lives on it has no picture, and will not soon. */
  get isLost(): boolean {
    if (this.#isPending) return false;
    if (!this.isOpen) return true;
    const { clock } = this.#parameters;
    return this.#downSinceUs !== undefined && clock.nowUs() - this.#downSinceUs >= LOST_MS * 1000;
  }

  /** Begins if it has not, and resolves when it is live. @throws Error. */
  open(): Promise<void> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** As {@link open}, for those who live on it; not soon after a failure. */
  reopen(): void {
    if (this.isOpen || this.#isCooling || this.#closed) return;
    // Why it fails is logged.
    this.open().catch(() => undefined);
  }

  /** The status of a publication of the session may have changed. */
  onChange(): void {
    if (this.#id === undefined) return;
    const status = this.#status;
    if (status === 'live') {
      this.#downSinceUs = undefined;
      this.#settle?.();
    } else if (status === undefined || status === 'failed' || status === 'ended') {
      const error = lossOf(status);
      if (this.#settle === undefined) this.#fail(error);
      else this.#settle(error);
    } else if (!this.#isPending) this.#downSinceUs ??= this.#parameters.clock.nowUs();
  }

  /** Nobody lives on it any more. */
  end(): void {
    const { publisher } = this.#parameters;
    const id = this.#id;
    this.#id = undefined;
    this.#attempt = undefined;
    this.#opening = undefined;
    this.#isPending = false;
    this.#downSinceUs = undefined;
    this.#settle?.(new Error('The publication has ended'));
    this.#settle = undefined;
    if (id !== undefined) void publisher.end(id);
  }

  /** The session ends its publications itself. */
  close(): void {
    this.#closed = true;
    this.#id = undefined;
    this.#attempt = undefined;
    this.#settle?.(new Error('The session has ended'));
  }

  get #isCooling(): boolean {
    return this.#parameters.clock.nowUs() - this.#failedAtUs < COOL_DOWN_MS * 1000;
  }

  get #status(): PublicationStatus | undefined {
    return this.#id === undefined ? undefined : this.#parameters.publisher.statusOf(this.#id);
  }

  async #open(): Promise<void> {
    const attempt = (this.#attempt = {});
    const isCurrent = (): boolean => this.#attempt === attempt;
    this.#isPending = true;
    try {
      await this.#untilLive(isCurrent);
      if (!isCurrent()) throw new Error('The publication has ended');
      this.#isPending = false;
    } catch (thrown) {
      const error = asError(thrown);
      // One that was ended is no failure, and another may have begun.
      if (isCurrent()) this.#fail(error);
      throw error;
    }
  }

  async #untilLive(isCurrent: () => boolean): Promise<void> {
    const { streamId, publish, publisher, clock } = this.#parameters;
    const named =
      typeof publish === 'string' ? publish : await answerOf(clock, 'publish', () => publish({ streamId }));
    if (!isCurrent()) throw new Error('The publication has ended');
    let timer: Timer | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#settle = (error) => (error === undefined ? resolve() : reject(error));
        const sentence = `Expected a live publication within ${LIVE_TIMEOUT_MS} ms: check the endpoint that overflow.publish names`;
        timer = clock.after(LIVE_TIMEOUT_MS, () => reject(new Error(sentence)));
        this.#id = publisher.start(typeof named === 'string' ? { url: named } : named);
        this.onChange();
      });
    } finally {
      timer?.cancel();
      if (isCurrent()) this.#settle = undefined;
    }
  }

  #fail(error: Error): void {
    const { clock, logger } = this.#parameters;
    this.#failedAtUs = clock.nowUs();
    logger.warn({ err: error }, 'the publication for further viewers failed');
    this.end();
  }
}

/** @param status - of the publication; undefined: it was ended and forgotten. */
function lossOf(status: 'failed' | 'ended' | undefined): Error {
  return new Error(
    status === 'failed'
      ? 'Expected a live publication but it failed: the log and the list of publications say why'
      : 'Expected a live publication but it was ended: while its session goes on, leave that to overflow',
  );
}
