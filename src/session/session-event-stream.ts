import type { SessionEventName, SessionEvents } from './session-events.js';

/** Those that come for each picture, of which nobody wants a list. */
type Frequent = 'frame' | 'keyframe:request';
type ListedName = Exclude<SessionEventName, Frequent>;

/** One event of any session. */
export type StreamKitEvent = {
  readonly [Name in ListedName]: { readonly type: Name } & SessionEvents[Name];
}[ListedName];

/** What waits for a reader that does not read; beyond it the oldest events are dropped. */
const MAX_WAITING = 1000;

/** Hands the events of all sessions to those who iterate over them. */
export class SessionEventStream {
  readonly #readers = new Set<Reader>();
  #closed = false;

  publish<T extends SessionEventName>(name: T, event: SessionEvents[T]): void {
    if (name === 'frame' || name === 'keyframe:request') return;
    for (const reader of this.#readers) reader.push({ type: name, ...event } as StreamKitEvent);
  }

  /** What happens from now on, until `signal` is aborted or the stream is closed. */
  open(signal?: AbortSignal): AsyncIterableIterator<StreamKitEvent> {
    const abort = (): void => reader.finish();
    const reader = new Reader(() => {
      this.#readers.delete(reader);
      signal?.removeEventListener('abort', abort);
    });
    this.#readers.add(reader);
    if (this.#closed || signal?.aborted === true) reader.finish();
    else signal?.addEventListener('abort', abort, { once: true });
    return reader;
  }

  /** Readers get what waits, then the end. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader.finish();
  }
}

class Reader implements AsyncIterableIterator<StreamKitEvent> {
  readonly #onEnded: () => void;
  #events: StreamKitEvent[] = [];
  #waiting: ((result: IteratorResult<StreamKitEvent>) => void)[] = [];
  #ended = false;

  constructor(onEnded: () => void) {
    this.#onEnded = onEnded;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  push(value: StreamKitEvent): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next({ done: false, value });
      return;
    }
    this.#events.push(value);
    if (this.#events.length > MAX_WAITING) this.#events.shift();
  }

  finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnded();
    for (const next of this.#waiting.splice(0)) next({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<StreamKitEvent>> {
    const value = this.#events.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<StreamKitEvent>> {
    this.#events = [];
    this.finish();
    return Promise.resolve({ done: true, value: undefined });
  }
}
