import type { Timer } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { IdleWatch } from './idle-watch.js';
import { SessionEmitter } from './session-emitter.js';
import type { SessionEndReason } from './session-events.js';
import type { SessionParts, SessionSettings } from './session-parts.js';
import type { StreamSessionState } from '../protocol/state-document.js';
import { SessionState } from './session-state.js';
import { StatePublisher } from './state-publisher.js';

/** What a life is told about, and what it asks for. */
export interface SessionLifeListener {
  onPatch(): void;
  /** Somebody uses the session at this very moment, besides its viewers. */
  isUsed(): boolean;
  /** Closes what the session has, in its order. The state says already how it ended. */
  shutDown(reason: SessionEndReason): Promise<void>;
  /** It ended by an error; what it has is being closed. */
  onFailed(error: StreamKitError): void;
  /** Everything it had is closed. */
  onEnded(reason: SessionEndReason): void;
}

export interface SessionLifeParameters {
  readonly initial: StreamSessionState;
  readonly parts: Pick<SessionParts, 'clock' | 'observe'>;
  readonly settings: Pick<SessionSettings, 'stateUpdateInterval' | 'sessionTimeout'>;
  readonly logger: Logger;
}

/** While viewers watch, how often that is noted as activity, ms. */
const WATCHING_NOTE_MS = 30_000;

/** What every kind of session has: its state document, its time without use, and its end, which comes once. */
export class SessionLife {
  readonly publisher: StatePublisher;
  /** What the application listens to. */
  readonly events: SessionEmitter;
  readonly #parameters: SessionLifeParameters;
  readonly #listener: SessionLifeListener;
  readonly #idleWatch: IdleWatch;
  #idleReason: 'timeout' | 'shutdown' = 'timeout';
  #watchingTimer: Timer | undefined;
  #endReason: SessionEndReason | undefined;
  #error: StreamKitError | undefined;
  #ended: Promise<void> | undefined;

  constructor(parameters: SessionLifeParameters, listener: SessionLifeListener) {
    this.#parameters = parameters;
    this.#listener = listener;
    const { initial, parts, settings } = parameters;
    const { clock, observe } = parts;
    this.events = new SessionEmitter(parameters.logger);
    const createdAtUs = clock.nowUs();
    this.publisher = new StatePublisher(
      new SessionState(initial),
      clock,
      settings.stateUpdateInterval,
      () => {
        listener.onPatch();
        this.events.emit('state', this.publisher.document);
      },
      (status, previous) => {
        const ageMs = (clock.nowUs() - createdAtUs) / 1000;
        observe('session:status', { streamId: initial.streamId, status, previous, ageMs });
      },
    );
    this.#idleWatch = new IdleWatch({
      clock,
      timeoutMs: settings.sessionTimeout,
      isUsed: () => this.publisher.document.clientConnected || listener.isUsed(),
      onIdle: () => void this.end(this.#idleReason),
    });
  }

  /** Undefined while it lives. */
  get endReason(): SessionEndReason | undefined {
    return this.#endReason;
  }

  /** Why it failed; undefined where it did not. */
  get error(): StreamKitError | undefined {
    return this.#error;
  }

  /** Notes that somebody asked for the session. */
  touch(): void {
    this.#idleWatch.touch();
    this.publisher.touch();
  }

  /** Ends it for `shutdown` once nobody has used it for so long, ms. */
  endWhenUnused(afterMs: number): void {
    if (this.#endReason !== undefined) return;
    this.#idleReason = 'shutdown';
    this.#idleWatch.shorten(afterMs);
  }

  /** Whether anybody is watching now: that is activity too. */
  setWatched(watched: boolean): void {
    if (!watched || this.#endReason !== undefined) {
      this.#watchingTimer?.cancel();
      this.#watchingTimer = undefined;
    } else this.#watchingTimer ??= this.#parameters.parts.clock.every(WATCHING_NOTE_MS, () => this.touch());
  }

  fail(thrown: Error): void {
    if (this.#endReason !== undefined) return;
    // Only coded errors are written for the eyes of a client.
    const error =
      thrown instanceof StreamKitError
        ? thrown
        : new StreamKitError('internal', 'The session failed', { cause: thrown });
    this.#parameters.logger.error({ err: error }, 'session failed');
    void this.end('error', error);
    this.#listener.onFailed(error);
  }

  /** Ends it; the first call says why. Resolves when everything is closed. */
  end(reason: SessionEndReason, error?: StreamKitError): Promise<void> {
    if (this.#ended === undefined) {
      // Set first: closing calls back, and a session ends once.
      this.#endReason = reason;
      this.#error = error;
      this.#ended = this.#end(reason, error);
    }
    return this.#ended;
  }

  async #end(reason: SessionEndReason, error: StreamKitError | undefined): Promise<void> {
    this.#idleWatch.close();
    this.setWatched(false);
    // The state of one that has moved goes on elsewhere.
    if (reason !== 'moved') this.#showEnd(reason, error);
    this.publisher.close();
    await this.#listener.shutDown(reason);
    this.#parameters.logger.info({ reason }, 'session ended');
    this.#listener.onEnded(reason);
  }

  #showEnd(reason: SessionEndReason, error: StreamKitError | undefined): void {
    this.publisher.update((document) => {
      document.status = reason === 'error' ? 'error' : 'terminated';
      if (error === undefined) return;
      document.error = error.message;
      document.errorCode = error.code;
    });
    this.publisher.flush();
  }
}
