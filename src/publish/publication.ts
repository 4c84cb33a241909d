import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { PublicationError } from '../protocol/publications.js';
import type { PublicationStatus } from '../protocol/state-document.js';
import type { PeerPath } from '../protocol/session-diagnostics.js';
import { PublicationFailure } from './publication-failure.js';

/** One attempt to publish, and the connection that comes of it. */
export interface PublicationConnection {
  /** Null: it has none that is of ICE. */
  readonly path: PeerPath | null;
  /** Begins. Once. */
  open(): void;
  /** Idempotent; never rejects. */
  close(): Promise<void>;
}

export interface ConnectionListener<Share> {
  /** It is up. At most once. @param attach - begins to send. @throws if that cannot be. */
  onConnected(attach: () => Share): void;
  /** It cannot go on, and is to be closed. At most once. */
  onFailed(failure: PublicationFailure): void;
}

/** @param hurry - gives up telling the endpoint of the end. */
export type OpenConnection<Share> = (
  listener: ConnectionListener<Share>,
  hurry: AbortSignal,
) => PublicationConnection;

export interface PublicationParameters<Share> {
  /** Finds what a connection needs, for each attempt anew. */
  readonly prepare: () => Promise<OpenConnection<Share>>;
  readonly maxAttempts: number;
  readonly clock: Clock;
  /** 0 to 1: spreads attempts that failed at the same moment. */
  readonly random: () => number;
  readonly logger: Logger;
}

export interface PublicationListener {
  /** The status, or why it is what it is, has changed. */
  onChange(): void;
  /** An attempt, or a connection, has failed. */
  onFailed(failure: PublicationFailure): void;
}

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
/** One that was live for so long has succeeded: what fails later is the first failure. */
const PROOF_MS = 10_000;
/** How long endpoints may take to hear of the end where the session ends. */
const HURRY_MS = 500;

/**
 * A session that is pushed to one endpoint: connections one after the other, until it is ended or has failed too often in a row.
 * While it has no connection nothing is encoded for it.
 */
export class Publication<Share extends { close(): void }> {
  readonly #parameters: PublicationParameters<Share>;
  readonly #listener: PublicationListener;
  #status: PublicationStatus = 'connecting';
  #attempts = 0;
  #error: PublicationError | undefined;
  #liveSince: number | undefined;
  #liveSinceUs = 0;
  #connection: PublicationConnection | undefined;
  #share: Share | undefined;
  #timer: Timer | undefined;
  /** Of connections that are over. */
  readonly #closing = new Set<Promise<void>>();
  readonly #hurry = new AbortController();
  #starting: Promise<void> = Promise.resolve();

  constructor(parameters: PublicationParameters<Share>, listener: PublicationListener) {
    this.#parameters = parameters;
    this.#listener = listener;
  }

  get status(): PublicationStatus {
    return this.#status;
  }

  get attempts(): number {
    return this.#attempts;
  }

  /** Why the last attempt failed; undefined while it is live. */
  get error(): PublicationError | undefined {
    return this.#error;
  }

  /** Ms since the epoch; undefined while it is not live. */
  get liveSince(): number | undefined {
    return this.#liveSince;
  }

  get share(): Share | undefined {
    return this.#share;
  }

  get path(): PeerPath | null {
    return this.#connection?.path ?? null;
  }

  /** It needs the session: it is live, or will be. */
  get isActive(): boolean {
    return this.#status !== 'failed' && this.#status !== 'ended';
  }

  /** Begins. Once. */
  start(): void {
    this.#attempt();
  }

  /** As {@link end}, where the session ends: it waits for the endpoint only for a moment. */
  async close(): Promise<void> {
    const timer = this.#parameters.clock.after(HURRY_MS, () => this.#hurry.abort());
    await this.end();
    timer.cancel();
  }

  /** Ends it, and tells the endpoint. Idempotent; never rejects. */
  async end(): Promise<void> {
    if (this.#status !== 'ended') {
      this.#timer?.cancel();
      this.#letGo();
      this.#setStatus('ended');
    }
    await this.#starting;
    await Promise.all(this.#closing);
  }

  #attempt(): void {
    this.#attempts += 1;
    this.#starting = this.#connect().catch((cause: unknown) => {
      if (this.isActive)
        this.#onFailed(new PublicationFailure('The connection could not be opened', { cause }));
    });
  }

  async #connect(): Promise<void> {
    const open = await this.#parameters.prepare();
    if (!this.isActive) return;
    const connection = open(
      {
        onConnected: (attach) => this.#onConnected(attach),
        onFailed: (failure) => this.#onFailed(failure),
      },
      this.#hurry.signal,
    );
    this.#connection = connection;
    connection.open();
  }

  #onConnected(attach: () => Share): void {
    const { clock } = this.#parameters;
    try {
      this.#share = attach();
    } catch (cause) {
      this.#onFailed(new PublicationFailure('The session could not be sent', { cause }));
      return;
    }
    this.#liveSince = Math.round(clock.wallMs());
    this.#liveSinceUs = clock.nowUs();
    this.#error = undefined;
    this.#setStatus('live');
  }

  #onFailed(failure: PublicationFailure): void {
    const { clock, logger, maxAttempts, random } = this.#parameters;
    const { code, message, isFinal, retryAfterMs, cause } = failure;
    const liveMs = this.#liveSince === undefined ? 0 : (clock.nowUs() - this.#liveSinceUs) / 1000;
    if (liveMs >= PROOF_MS) this.#attempts = 0;
    this.#letGo();
    this.#error = { code, message };
    this.#listener.onFailed(failure);
    const isOver = isFinal || this.#attempts >= maxAttempts;
    logger.warn(
      { code, attempts: this.#attempts, reason: message, ...(cause === undefined ? {} : { err: cause }) },
      isOver ? 'a publication failed' : 'a publication is tried again',
    );
    if (isOver) {
      this.#setStatus('failed');
      return;
    }
    const backoffMs = Math.min(FIRST_WAIT_MS * 2 ** Math.max(this.#attempts - 1, 0), LONGEST_WAIT_MS);
    const waitMs = Math.max(backoffMs * (0.75 + random() / 2), retryAfterMs);
    this.#timer = clock.after(Math.round(waitMs), () => this.#attempt());
    this.#setStatus('retrying');
  }

  #letGo(): void {
    this.#share?.close();
    this.#share = undefined;
    this.#liveSince = undefined;
    const closing = this.#connection?.close();
    this.#connection = undefined;
    if (closing === undefined) return;
    this.#closing.add(closing);
    void closing.then(() => this.#closing.delete(closing));
  }

  #setStatus(status: PublicationStatus): void {
    this.#status = status;
    this.#listener.onChange();
  }
}
