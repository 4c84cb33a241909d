import type { EventLogEntry } from './event-log.js';
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

  constructor(sink: EventSink, publisher: StatePublisher, onClosed: () => void) {
    this.#sink = sink;
    this.#publisher = publisher;
    sink.listen({ onDrain: () => this.#onDrain(), onClosed });
  }

  /** Sends the state to a client that has seen `lastEventId`, or nothing yet. */
  sendState(lastEventId: number | undefined): void {
    for (const bytes of this.#publisher.since(lastEventId)) this.#sink.write(bytes);
  }

  sendPatch(entry: EventLogEntry): void {
    if (this.#sink.backlogBytes > MAX_BACKLOG_BYTES) this.#resyncOnDrain = true;
    if (!this.#resyncOnDrain) this.#sink.write(entry.bytes);
  }

  sendSignal(event: Uint8Array): void {
    if (this.#sink.backlogBytes > MAX_BACKLOG_BYTES) this.#sink.abort();
    else this.#sink.write(event);
  }

  /** Ends the stream after a last signal. */
  end(lastSignal: Uint8Array): void {
    this.sendSignal(lastSignal);
    this.#sink.end();
  }

  #onDrain(): void {
    if (!this.#resyncOnDrain) return;
    this.#resyncOnDrain = false;
    this.#sink.write(this.#publisher.wholeDocument());
  }
}
