import type { Clock, Timer } from '../base/clock.js';
import type { EventSink, EventSinkListener } from '../session/event-sink.js';
import { COMMENT, COMMENT_INTERVAL_MS, END_TIMEOUT_MS, RETRY } from './event-stream-timing.js';

/** An event stream as a web-standard stream of bytes: the body of a `Response`. */
export class ReadableEventStream implements EventSink {
  readonly readable: ReadableStream<Uint8Array>;
  readonly #clock: Clock;
  readonly #comments: Timer;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #endTimer: Timer | undefined;
  #listener: EventSinkListener | undefined;

  /** @param signal - aborted when the client goes away; hosts do that, cancel the stream, or both. */
  constructor(signal: AbortSignal, clock: Clock) {
    this.#clock = clock;
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#onEmpty(),
        cancel: () => this.#close(),
      },
      // At a mark of 0 the stream asks for more only when the host waits and nothing is left to take: it has drained.
      { highWaterMark: 0, size: (chunk) => chunk.byteLength },
    );
    this.#comments = clock.every(COMMENT_INTERVAL_MS, () => {
      // A comment for a client that takes nothing would only wait with the rest.
      if (this.backlogBytes === 0) this.#write(Buffer.from(COMMENT));
    });
    this.#write(Buffer.from(RETRY));
    const onAbort = (): void => {
      // Nobody is there who could take a part for the whole, and hosts write an error of a stream to their logs.
      this.#controller?.close();
      this.#close();
    };
    if (signal.aborted) queueMicrotask(onAbort);
    else signal.addEventListener('abort', onAbort, { once: true });
  }

  get backlogBytes(): number {
    return -(this.#controller?.desiredSize ?? 0);
  }

  listen(listener: EventSinkListener): void {
    this.#listener = listener;
  }

  write(events: Uint8Array): void {
    if (this.#endTimer !== undefined) return;
    // A copy: a host may transfer the buffer of a chunk, and these bytes go to other viewers as well.
    this.#write(new Uint8Array(events));
  }

  end(): void {
    this.#comments.cancel();
    if (this.#controller === undefined || this.#endTimer !== undefined) return;
    if (this.backlogBytes === 0) {
      this.#controller.close();
      this.#close();
      return;
    }
    this.#endTimer = this.#clock.after(END_TIMEOUT_MS, () => this.abort());
  }

  abort(): void {
    // Not closed: a client must not take what it has for the whole.
    this.#controller?.error(new Error('The event stream was cut off'));
    this.#close();
  }

  #write(bytes: Uint8Array): void {
    this.#controller?.enqueue(bytes);
  }

  #onEmpty(): void {
    if (this.#endTimer === undefined) {
      this.#listener?.onDrain();
      return;
    }
    this.#controller?.close();
    this.#close();
  }

  #close(): void {
    if (this.#controller === undefined) return;
    this.#controller = undefined;
    this.#comments.cancel();
    this.#endTimer?.cancel();
    this.#listener?.onClosed();
  }
}
