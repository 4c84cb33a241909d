import { Backoff } from './backoff.js';
import { pause } from './pause.js';
import type { EventStreamQuery, Signaling } from './signaling.js';
import { readEventStream, type SseEvent } from './sse-reader.js';
import { asStreamError, StreamError } from './stream-error.js';
import type { WakeReason } from './wake-events.js';

/** Three of the server's comment lines, one every 15 s, missed: the connection is dead though nobody said so. */
const SILENCE_TIMEOUT_MS = 45_000;
/** A page that was asleep does not wait that long: one comment line missed, and it asks anew. */
const SILENCE_AFTER_SLEEP_MS = 20_000;
/** An event stream that lasted this long worked; waits begin anew after it. */
const STABLE_MS = 5000;

/** How the next event stream is asked for. */
export interface EventPosition {
  readonly query: EventStreamQuery;
  readonly lastEventId: string | undefined;
}

export interface EventFeedListener {
  /** Asked before each event stream. */
  position(): EventPosition;
  /** What it throws breaks this event stream off. */
  onEvent(event: SseEvent): void;
  /** An event stream could not be opened, or broke; another one follows. */
  onError(error: StreamError): void;
  /** There is no event stream any more; the next one is due now or after a wait. */
  onLost(): void;
}

/** One session's event stream, opened again and again until the signal is aborted. */
export class EventFeed {
  readonly #signaling: Signaling;
  readonly #signal: AbortSignal;
  readonly #listener: EventFeedListener;
  readonly #backoff = new Backoff();
  #attempt = new AbortController();
  /** Aborted to end the wait before the next attempt. */
  #wait: AbortController | undefined;
  /** The next attempt is due at once. */
  #hurry = false;
  #lastActivityMs = 0;

  constructor(signaling: Signaling, signal: AbortSignal, listener: EventFeedListener) {
    this.#signaling = signaling;
    this.#signal = signal;
    this.#listener = listener;
  }

  /** Resolves when the signal is aborted. @throws StreamError what no other attempt can mend. */
  async follow(streamId: string): Promise<void> {
    while (!this.#signal.aborted) {
      let retryAfterMs: number | undefined;
      const startedMs = performance.now();
      try {
        await this.#attach(streamId);
      } catch (thrown) {
        if (this.#isOver()) return;
        const error = asStreamError(thrown);
        if (!error.retryable && error.code !== 'no_such_viewer') throw error;
        // One that was broken off to open another is no failure.
        if (!this.#hurry) this.#listener.onError(error);
        retryAfterMs = error.retryAfterMs;
      }
      if (this.#isOver()) return;
      this.#listener.onLost();
      // Not at the first event: a stream that breaks soon after, again and again, must not be asked for in a loop.
      if (performance.now() - startedMs > STABLE_MS) this.#backoff.reset();
      await this.#waitForRetry(retryAfterMs);
    }
  }

  /** Ends the present event stream, or the wait for the next, and opens one at once. */
  retryNow(): void {
    this.#hurry = true;
    if (this.#wait === undefined) this.#attempt.abort();
    else this.#wait.abort();
  }

  /** The network is back, or the page is: what failed or is silent may work now. */
  wake(reason: WakeReason): void {
    this.#backoff.reset();
    const silentMs = performance.now() - this.#lastActivityMs;
    // Connections of before hardly ever survive a network that was away.
    if (this.#wait !== undefined || reason === 'online' || silentMs > SILENCE_AFTER_SLEEP_MS) this.retryNow();
  }

  #isOver(): boolean {
    return this.#signal.aborted;
  }

  /** A time that the server has named is kept; a wait of our own ends when there is a reason to try at once. */
  async #waitForRetry(retryAfterMs: number | undefined): Promise<void> {
    if (retryAfterMs !== undefined) {
      await pause(Math.max(retryAfterMs, this.#backoff.nextMs()), this.#signal);
    } else if (!this.#hurry) {
      this.#wait = new AbortController();
      await pause(this.#backoff.nextMs(), this.#signal, this.#wait.signal);
      this.#wait = undefined;
    }
  }

  /** One event stream, from request to end. */
  async #attach(streamId: string): Promise<void> {
    const attempt = new AbortController();
    this.#attempt = attempt;
    this.#hurry = false;
    const abort = (): void => attempt.abort();
    this.#signal.addEventListener('abort', abort);
    let silence = setTimeout(abort, SILENCE_TIMEOUT_MS);
    this.#lastActivityMs = performance.now();
    try {
      const { query, lastEventId } = this.#listener.position();
      const body = await this.#signaling.openEvents(streamId, query, lastEventId, attempt.signal);
      await readEventStream(body, {
        onEvent: (event) => {
          if (!attempt.signal.aborted) this.#listener.onEvent(event);
        },
        onRetry: (retryMs) => this.#backoff.setBaseMs(retryMs),
        onActivity: () => {
          this.#lastActivityMs = performance.now();
          clearTimeout(silence);
          silence = setTimeout(abort, SILENCE_TIMEOUT_MS);
        },
      });
    } catch (thrown) {
      // An aborted attempt is a silent connection given up, or one whose viewer is renewed: try again.
      if (attempt.signal.aborted) {
        throw new StreamError('network', 'The event stream was lost', { cause: thrown });
      }
      throw thrown;
    } finally {
      clearTimeout(silence);
      this.#signal.removeEventListener('abort', abort);
    }
  }
}
