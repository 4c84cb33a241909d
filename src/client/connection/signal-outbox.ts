import { pause } from './pause.js';
import type { ClientSignalType, SendSignal } from './signaling.js';
import { asStreamError, type StreamError } from './stream-error.js';

const MAX_ATTEMPTS = 4;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 4000;
/** Signals that wait; a browser gathers some dozen candidates. What comes above it is dropped, being a path less. */
const MAX_WAITING = 128;

/**
 * Posts a peer's signals one after the other: an answer must reach the server before the candidates that follow
 * it. While the event stream is down a signal that cannot be posted waits, and its attempts do not count.
 */
export class SignalOutbox {
  readonly #send: SendSignal;
  readonly #onFailed: (type: ClientSignalType, error: StreamError) => void;
  readonly #abort = new AbortController();
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** Aborted when the event stream is up again; undefined while it is. */
  #hold: AbortController | undefined;

  constructor(send: SendSignal, onFailed: (type: ClientSignalType, error: StreamError) => void) {
    this.#send = send;
    this.#onFailed = onFailed;
  }

  enqueue(type: ClientSignalType, payload?: unknown): void {
    if (this.#waiting >= MAX_WAITING && type === 'ice_candidate') return;
    this.#waiting++;
    this.#tail = this.#tail.then(async () => {
      await this.#deliver(type, payload);
      this.#waiting--;
    });
  }

  /** The event stream broke: the server may be out of reach for these requests too. */
  hold(): void {
    this.#hold ??= new AbortController();
  }

  /** The event stream is back. */
  release(): void {
    this.#hold?.abort();
    this.#hold = undefined;
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
    for (let failures = 0; !this.#isClosed();) {
      try {
        await this.#send(type, payload, signal);
        return;
      } catch (thrown) {
        const error = asStreamError(thrown);
        if (this.#isClosed()) return;
        if (this.#hold === undefined) failures++;
        if (!error.retryable || failures >= MAX_ATTEMPTS) {
          this.#onFailed(type, error);
          return;
        }
        const backoffMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.max(0, failures - 1));
        const delayMs = Math.max(backoffMs, error.retryAfterMs ?? 0);
        // With the event stream the reason to wait is over too, unless the server has named a time.
        const hold = error.retryAfterMs === undefined ? this.#hold : undefined;
        await pause(hold === undefined ? delayMs : MAX_RETRY_MS, signal, ...(hold ? [hold.signal] : []));
      }
    }
  }
}
