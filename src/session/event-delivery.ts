import type { EventSink } from './event-sink.js';
import type { StatePublisher } from './state-publisher.js';

/**
 * Most bytes that may wait for one client. Beyond it patches are left out until the client has caught up, and a
 * signal, which cannot be left out, ends the connection.
 */
export const MAX_BACKLOG_BYTES = 1024 * 1024;

/** What one client is sent over one event stream, in bounded memory however slow the client. */
export class EventDelivery {
  readonly #sink: EventSink;
  readonly #publisher: StatePublisher;
  #resyncOnDrain = false;
  /** Number of the last patch that was written, or is in a document that was. */
  #lastSequence = 0;

  constructor(sink: EventSink, publisher: StatePublisher, onClosed: () => void) {
    this.#sink = sink;
    this.#publisher = publisher;
    sink.listen({ onDrain: () => this.#onDrain(), onClosed });
  }

  /** Sends the state to a client that has seen `lastEventId`, or nothing yet. */
  sendState(lastEventId: number | undefined): void {
    for (const bytes of this.#publisher.since(lastEventId)) this.#sink.write(bytes);
    this.#lastSequence = this.#publisher.lastSequence;
  }

  /** Sends the patches that the client has not been sent yet. */
  sendPatches(): void {
    if (this.#lastSequence === this.#publisher.lastSequence) return;
    if (this.#sink.backlogBytes > MAX_BACKLOG_BYTES) this.#resyncOnDrain = true;
    if (!this.#resyncOnDrain) this.sendState(this.#lastSequence);
  }

  sendSignal(event: Uint8Array): void {
    if (this.#sink.backlogBytes > MAX_BACKLOG_BYTES) this.#sink.abort();
    else this.#sink.write(event);
  }

  /** Ends the stream, after a last signal if there is one. */
  end(lastSignal?: Uint8Array): void {
    this.sendPatches();
    if (lastSignal !== undefined) this.sendSignal(lastSignal);
    this.#sink.end();
  }

  #onDrain(): void {
    if (!this.#resyncOnDrain) return;
    this.#resyncOnDrain = false;
    this.sendState(undefined);
  }
}
