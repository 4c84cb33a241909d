import type { Readable, Writable } from 'node:stream';

/** An answer to a command, or an event, as it comes. */
export interface CdpMessage {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly code?: number; readonly message: string; readonly data?: string };
  readonly sessionId?: string;
}

export interface CdpPipeListener {
  /** Whether events of this name are of use to anybody; others are dropped before they are read. */
  wants(method: string): boolean;
  onMessage(message: CdpMessage): void;
  /** A message that was too long is gone: the answer to the command `id`, or an event. */
  onOversized(message: Pick<CdpMessage, 'id' | 'method' | 'sessionId'>): void;
  /** The browser has gone. At most once. */
  onClosed(): void;
}

/** A screenshot of 3840 x 2160 pixels of noise takes 32 MiB. */
const MAX_ANSWER_BYTES = 40 * 1024 * 1024;
/** A page chooses the length of many; the longest that is of use is a picture of the screencast. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024;
/** What waits for a browser that does not read; beyond it commands are refused. */
const MAX_QUEUED_BYTES = 32 * 1024 * 1024;
/** Chromium writes `id` or `method` first. */
const HEAD_BYTES = 96;
/** And `sessionId` last. */
const TAIL_BYTES = 96;
const NOTHING: Buffer = Buffer.alloc(0);

/** The DevTools protocol over a pair of pipes, JSON behind each a zero byte, with a limit for what is ever one string. */
export class CdpPipe {
  readonly #output: Writable;
  readonly #listener: CdpPipeListener;
  /** Of the message that is coming in. */
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** Most bytes that it may have: undefined until its head is here, 0 if nobody wants it. */
  #limit: number | undefined;
  #head: Pick<CdpMessage, 'id' | 'method'> = {};
  /** The last bytes of a message that is too long. */
  #tail = NOTHING;
  #isClosed = false;

  constructor(output: Writable, input: Readable, listener: CdpPipeListener) {
    this.#output = output;
    this.#listener = listener;
    input.on('data', (data: Buffer) => this.#receive(data));
    for (const end of [input, output]) {
      // What matters is that the pipe ends, not why.
      end.on('error', () => undefined);
      end.once('close', () => this.close());
    }
  }

  /** @returns false if the browser is gone or has not read for too long. */
  send(message: object): boolean {
    if (this.#isClosed || !this.#output.writable || this.#output.writableLength > MAX_QUEUED_BYTES)
      return false;
    this.#output.write(`${JSON.stringify(message)}\0`);
    return true;
  }

  /** What the browser has not read yet. */
  get queuedBytes(): number {
    return this.#output.writableLength;
  }

  /** Nothing comes any more. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pieces = [];
    this.#output.destroy();
    this.#listener.onClosed();
  }

  #receive(data: Buffer): void {
    let start = 0;
    while (!this.#isClosed) {
      const end = data.indexOf(0, start);
      this.#append(data.subarray(start, end === -1 ? data.length : end));
      if (end === -1) return;
      this.#finish();
      start = end + 1;
    }
  }

  #append(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#limit === undefined || this.#bytes <= this.#limit) this.#pieces.push(piece);
    if (this.#limit === undefined && this.#bytes >= HEAD_BYTES) this.#readHead();
    if (this.#limit === undefined || this.#bytes <= this.#limit) return;
    if (this.#limit > 0) {
      for (const one of [...this.#pieces, piece])
        this.#tail = Buffer.concat([this.#tail, one.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
    }
    this.#pieces = [];
  }

  #readHead(): void {
    const [first] = this.#pieces;
    const isWhole = first !== undefined && (first.length >= HEAD_BYTES || this.#pieces.length === 1);
    const head = (isWhole ? first : Buffer.concat(this.#pieces)).toString('latin1', 0, HEAD_BYTES);
    const [, id, method] = /^\{(?:"id":(\d+)|"method":"([\w.]+)")/.exec(head) ?? [];
    this.#head = {
      ...(id !== undefined && { id: Number(id) }),
      ...(method !== undefined && { method }),
    };
    if (id !== undefined) this.#limit = MAX_ANSWER_BYTES;
    else this.#limit = method !== undefined && this.#listener.wants(method) ? MAX_EVENT_BYTES : 0;
  }

  #finish(): void {
    if (this.#limit === undefined) this.#readHead();
    const pieces = this.#pieces;
    const limit = this.#limit ?? 0;
    const isOversized = this.#bytes > limit;
    const tail = this.#tail;
    this.#tail = NOTHING;
    this.#pieces = [];
    this.#bytes = 0;
    this.#limit = undefined;
    if (isOversized) {
      if (limit > 0) this.#listener.onOversized({ ...this.#head, ...sessionOf(tail) });
      return;
    }
    const [first] = pieces;
    const bytes = pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
    let message: CdpMessage;
    try {
      message = JSON.parse(bytes.toString('utf8')) as CdpMessage;
    } catch {
      return;
    }
    this.#listener.onMessage(message);
  }
}

/** Quotation marks in what a page says are escaped, so it cannot end a message like this. */
function sessionOf(tail: Buffer): Pick<CdpMessage, 'sessionId'> {
  const [, sessionId] = /,"sessionId":"([\w-]+)"\}$/.exec(tail.toString('latin1')) ?? [];
  return sessionId === undefined ? {} : { sessionId };
}
