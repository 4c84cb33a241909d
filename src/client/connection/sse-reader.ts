import { StreamError } from './stream-error.js';

/** One event of an event stream, as the WHATWG HTML standard dispatches it. */
export interface SseEvent {
  /** The `event` field; `message` where the event has none. */
  readonly type: string;
  /** The `data` lines, joined with line feeds. */
  readonly data: string;
  /** The last `id` seen on the stream so far; empty where there was none. */
  readonly lastEventId: string;
  /** The field `time`: an RTP timestamp, 90 kHz; undefined where the event has none. */
  readonly time: number | undefined;
}

export interface SseListener {
  onEvent(event: SseEvent): void;
  /** The server's `retry` field: how long to wait before reconnecting. */
  onRetry?(retryMs: number): void;
  /** Bytes arrived, be it only a comment: the connection is alive. */
  onActivity?(): void;
}

/** Longest line, and longest data of one event, in UTF-16 code units. */
const DEFAULT_MAX_LENGTH = 8 * 1024 * 1024;

/**
 * Parses an event stream (HTML standard, section 9.2.6) from chunks that may be cut at any byte. EventSource
 * itself will not do: it cannot send headers, and hides the status and the body of an error.
 */
export class SseParser {
  readonly #listener: SseListener;
  readonly #maxLength: number;
  /** Strips one leading byte order mark and keeps the bytes of a character that is cut in two. */
  readonly #decoder = new TextDecoder('utf-8');
  #line = '';
  /** The last line ended in CR: an LF that comes next belongs to that line end. */
  #afterCarriageReturn = false;
  #type = '';
  /** Of the event that is being read; undefined: it has had none. */
  #data: string | undefined;
  #lastEventId = '';
  #time: number | undefined;

  /** @param maxLength Bound of a line and of an event's data, in UTF-16 code units. Default 8 Mi. */
  constructor(listener: SseListener, maxLength: number = DEFAULT_MAX_LENGTH) {
    this.#listener = listener;
    this.#maxLength = maxLength;
  }

  /** @throws StreamError `protocol` when a line or an event grows beyond the bound. */
  push(chunk: Uint8Array): void {
    const text = this.#decoder.decode(chunk, { stream: true });
    let start = 0;
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      const isLineFeed = unit === 0x0a;
      if (!isLineFeed && unit !== 0x0d) {
        this.#afterCarriageReturn = false;
        continue;
      }
      if (isLineFeed && this.#afterCarriageReturn) {
        this.#afterCarriageReturn = false;
        start = index + 1;
        continue;
      }
      this.#afterCarriageReturn = !isLineFeed;
      this.#append(text.slice(start, index));
      start = index + 1;
      const line = this.#line;
      this.#line = '';
      this.#takeLine(line);
    }
    this.#append(text.slice(start));
  }

  #append(part: string): void {
    if (this.#line.length + part.length > this.#maxLength) {
      throw new StreamError('protocol', `A line of the event stream is longer than ${this.#maxLength}`);
    }
    this.#line += part;
  }

  #takeLine(line: string): void {
    if (line === '') {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const valueStart = line[colon + 1] === ' ' ? colon + 2 : colon + 1;
    this.#takeField(field, colon < 0 ? '' : line.slice(valueStart));
  }

  #takeField(field: string, value: string): void {
    switch (field) {
      case 'event':
        this.#type = value;
        break;
      case 'data':
        if ((this.#data?.length ?? 0) + value.length > this.#maxLength) {
          throw new StreamError('protocol', `An event of the stream is longer than ${this.#maxLength}`);
        }
        this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
        break;
      case 'id':
        if (!value.includes('\0')) this.#lastEventId = value;
        break;
      case 'time':
        this.#time = /^\d{1,10}$/.test(value) ? Number(value) : undefined;
        break;
      case 'retry':
        if (/^\d+$/.test(value)) this.#listener.onRetry?.(Number(value));
        break;
      default:
      // The standard has unknown fields ignored.
    }
  }

  #dispatch(): void {
    const [type, data, time] = [this.#type || 'message', this.#data, this.#time];
    this.#type = '';
    this.#data = undefined;
    this.#time = undefined;
    if (data !== undefined) this.#listener.onEvent({ type, data, lastEventId: this.#lastEventId, time });
  }
}

/**
 * Reads the body of an event-stream response to its end. An event that the end cuts short is dropped, as the
 * standard has it. Rejects when the request is aborted, the connection breaks or a bound is passed.
 */
export async function readEventStream(
  body: ReadableStream<Uint8Array>,
  listener: SseListener,
  maxLength: number = DEFAULT_MAX_LENGTH,
): Promise<void> {
  const parser = new SseParser(listener, maxLength);
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      listener.onActivity?.();
      parser.push(value);
    }
  } finally {
    // After a parse error the server would go on sending to nobody; at a proper end this does nothing.
    await reader.cancel().catch(() => undefined);
  }
}
