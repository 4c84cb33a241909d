import type { ServerResponse } from 'node:http';

import type { Clock, Timer } from '../clock.js';
import type { EventSink, EventSinkListener } from '../session/event-sink.js';

/** How often a comment shows proxies and clients that the stream lives, ms. */
const COMMENT_INTERVAL_MS = 15_000;
/** How soon a client connects again after a loss, ms. */
const RETRY_MS = 1000;
/** How long a client may take to fetch the rest of a stream that has ended, ms. */
const END_TIMEOUT_MS = 2000;

/** What compression middleware adds to a response. */
interface FlushableResponse extends ServerResponse {
  flush?: () => void;
}

/** An event stream over a Node response whose head has been sent. */
export class ResponseEventStream implements EventSink {
  readonly #response: FlushableResponse;
  readonly #clock: Clock;
  readonly #comments: Timer;
  #endTimer: Timer | undefined;
  #listener: EventSinkListener | undefined;
  #closed = false;

  constructor(response: ServerResponse, clock: Clock) {
    this.#response = response;
    this.#clock = clock;
    response.on('drain', () => this.#listener?.onDrain());
    response.on('close', () => this.#onClosed());
    // A reset connection is an error and then a close; the close is what counts.
    response.on('error', () => undefined);
    // A server-wide idle timeout is meant for requests that end.
    response.socket?.setTimeout(0);
    response.socket?.setNoDelay(true);
    this.#write(`retry: ${RETRY_MS}\n\n`);
    this.#comments = clock.every(COMMENT_INTERVAL_MS, () => {
      // A comment for a client that takes nothing would only wait with the rest.
      if (response.writableLength === 0) this.#write(': keep-alive\n\n');
    });
    // A response whose connection went before we came says so no more.
    if (response.destroyed) queueMicrotask(() => this.#onClosed());
  }

  get backlogBytes(): number {
    return this.#response.writableLength;
  }

  listen(listener: EventSinkListener): void {
    this.#listener = listener;
  }

  write(events: Uint8Array): void {
    this.#write(events);
  }

  end(): void {
    this.#comments.cancel();
    if (this.#closed || this.#endTimer !== undefined) return;
    this.#response.end();
    this.#endTimer = this.#clock.after(END_TIMEOUT_MS, () => this.abort());
  }

  abort(): void {
    this.#comments.cancel();
    this.#response.destroy();
  }

  #write(bytes: Uint8Array | string): void {
    if (this.#closed || this.#response.writableEnded || this.#response.destroyed) return;
    this.#response.write(bytes);
    this.#response.flush?.();
  }

  #onClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#comments.cancel();
    this.#endTimer?.cancel();
    this.#listener?.onClosed();
  }
}
