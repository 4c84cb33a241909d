import type { ServerResponse } from 'node:http';

import type { Clock, Timer } from '../base/clock.js';
import type { EventSink, EventSinkListener } from '../session/event-sink.js';
import { COMMENT, COMMENT_INTERVAL_MS, END_TIMEOUT_MS, RETRY } from './event-stream-timing.js';

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
    // Of HTTP/2 the connection is not this stream's own, and Node has set it to no delay.
    if (response.req.httpVersionMajor < 2) {
      // A server-wide idle timeout is meant for requests that end.
      response.socket?.setTimeout(0);
      response.socket?.setNoDelay(true);
    }
    this.#write(RETRY);
    this.#comments = clock.every(COMMENT_INTERVAL_MS, () => {
      // A comment for a client that takes nothing would only wait with the rest.
      if (response.writableLength === 0) this.#write(COMMENT);
    });
    // A response whose connection went before we came says so no more.
    if (isGone(response)) queueMicrotask(() => this.#onClosed());
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
    if (this.#closed || this.#response.writableEnded || isGone(this.#response)) return;
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

/**
 * What a response may know of its end, whatever the types of frameworks say: the compatibility API of HTTP/2 has no
 * `destroyed`, and stand-ins for requests have no socket.
 */
interface MaybeDestroyed {
  readonly destroyed?: boolean;
  readonly stream?: { readonly destroyed: boolean; readonly aborted: boolean };
  readonly req?: { readonly socket?: { readonly destroyed: boolean } };
}

/** Whether the connection or, in HTTP/2, the stream of a response is gone. */
export function isGone(response: ServerResponse): boolean {
  const { destroyed, stream, req } = response as MaybeDestroyed;
  if (destroyed === undefined) return stream !== undefined && (stream.destroyed || stream.aborted);
  // One that waits for its turn on a connection is not told that it is lost.
  return destroyed || req?.socket?.destroyed === true;
}
