import { pause } from './pause.js';
import type { ClientSignalType } from './signaling.js';
import { asStreamError, type StreamError } from './stream-error.js';

/** Sends one signal; rejects with a StreamError. */
export type SendSignal = (type: ClientSignalType, payload: unknown, signal: AbortSignal) => Promise<void>;

const MAX_ATTEMPTS = 4;
const FIRST_RETRY_MS = 250;

/**
 * Posts a peer's signals one after the other: an answer must reach the server before the candidates that follow
 * it. Its length is bounded by what one ICE agent gathers.
 */
export class SignalOutbox {
  readonly #send: SendSignal;
  readonly #onFailed: (type: ClientSignalType, error: StreamError) => void;
  readonly #abort = new AbortController();
  #tail: Promise<void> = Promise.resolve();

  constructor(send: SendSignal, onFailed: (type: ClientSignalType, error: StreamError) => void) {
    this.#send = send;
    this.#onFailed = onFailed;
  }

  enqueue(type: ClientSignalType, payload?: unknown): void {
    this.#tail = this.#tail.then(() => this.#deliver(type, payload));
  }

  /** Drops what waits and aborts what is under way. Idempotent. */
  close(): void {
    this.#abort.abort();
  }

  #isClosed(): boolean {
    return this.#abort.signal.aborted;
  }

  async #deliver(type: ClientSignalType, payload: unknown): Promise<void> {
    const { signal } = this.#abort;
    for (let attempt = 1; !this.#isClosed(); attempt++) {
      try {
        await this.#send(type, payload, signal);
        return;
      } catch (thrown) {
        const error = asStreamError(thrown);
        if (this.#isClosed()) return;
        if (!error.retryable || attempt >= MAX_ATTEMPTS) {
          this.#onFailed(type, error);
          return;
        }
        await pause(Math.max(FIRST_RETRY_MS * 2 ** (attempt - 1), error.retryAfterMs ?? 0), signal);
      }
    }
  }
}
