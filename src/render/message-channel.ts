import type { Duplex } from 'node:stream';

/** Why a channel is no longer read. */
export type MessageFault = 'oversized' | 'malformed' | 'flooded';

export interface MessageChannelLimits {
  /** Of one message, bytes of JSON. A longer one is never made a string of. */
  readonly maxMessageBytes: number;
  /** Messages per second and bytes per second that may come on average over two seconds; undefined: any number. */
  readonly budget?: { readonly messagesPerSecond: number; readonly bytesPerSecond: number };
}

export interface MessageChannelListener {
  /** Must not throw. */
  onMessage(message: unknown): void;
  /** The other end broke a limit or the format; nothing more is read. At most once. */
  onFault(fault: MessageFault): void;
}

const LENGTH_BYTES = 4;
const BUDGET_SECONDS = 2;
/** What waits for a process that does not read; beyond it messages are dropped, and `send` says so. */
const MAX_QUEUED_BYTES = 8 * 1024 * 1024;

/** JSON messages over a stream, each after its length: 4 bytes, big-endian. */
export class MessageChannel {
  readonly #stream: Duplex;
  readonly #limits: MessageChannelLimits;
  readonly #listener: MessageChannelListener;
  readonly #nowMs: () => number;
  #chunks: Buffer[] = [];
  #buffered = 0;
  #isOver = false;
  #windowStartMs: number;
  #windowMessages = 0;
  #windowBytes = 0;

  constructor(
    stream: Duplex,
    limits: MessageChannelLimits,
    listener: MessageChannelListener,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#stream = stream;
    this.#limits = limits;
    this.#listener = listener;
    this.#nowMs = nowMs;
    this.#windowStartMs = nowMs();
    stream.on('data', (data: Buffer) => this.#receive(data));
    // Its end is seen by whoever owns the process.
    stream.on('error', () => undefined);
  }

  /** @returns false if the other end has not read for too long, or is gone: the message is dropped. */
  send(message: object): boolean {
    if (!this.#stream.writable || this.#stream.writableLength > MAX_QUEUED_BYTES) return false;
    const json = Buffer.from(JSON.stringify(message));
    const head = Buffer.allocUnsafe(LENGTH_BYTES);
    head.writeUInt32BE(json.length);
    this.#stream.cork();
    this.#stream.write(head);
    this.#stream.write(json);
    this.#stream.uncork();
    return true;
  }

  close(): void {
    this.#isOver = true;
    this.#stream.destroy();
  }

  #receive(data: Buffer): void {
    if (this.#isOver) return;
    this.#chunks.push(data);
    this.#buffered += data.length;
    while (this.#takeMessage());
  }

  /** @returns whether there may be another one. */
  #takeMessage(): boolean {
    if (this.#buffered < LENGTH_BYTES) return false;
    const length = this.#peekLength();
    if (length > this.#limits.maxMessageBytes) return this.#fault('oversized');
    if (this.#buffered < LENGTH_BYTES + length) return false;
    const bytes = this.#take(LENGTH_BYTES + length).subarray(LENGTH_BYTES);
    if (!this.#isWithinBudget(length)) return this.#fault('flooded');
    let message: unknown;
    try {
      message = JSON.parse(bytes.toString('utf8'));
    } catch {
      return this.#fault('malformed');
    }
    this.#listener.onMessage(message);
    return !this.#isOver;
  }

  #peekLength(): number {
    const [first] = this.#chunks;
    if (first !== undefined && first.length >= LENGTH_BYTES) return first.readUInt32BE(0);
    this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]?.readUInt32BE(0) ?? 0;
  }

  #take(bytes: number): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    const taken = all?.subarray(0, bytes) ?? Buffer.alloc(0);
    const rest = all?.subarray(bytes) ?? Buffer.alloc(0);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#buffered = rest.length;
    return taken;
  }

  #isWithinBudget(bytes: number): boolean {
    const { budget } = this.#limits;
    if (budget === undefined) return true;
    const nowMs = this.#nowMs();
    if (nowMs - this.#windowStartMs > BUDGET_SECONDS * 1000) {
      this.#windowStartMs = nowMs;
      this.#windowMessages = 0;
      this.#windowBytes = 0;
    }
    this.#windowMessages += 1;
    this.#windowBytes += bytes;
    return (
      this.#windowMessages <= budget.messagesPerSecond * BUDGET_SECONDS &&
      this.#windowBytes <= budget.bytesPerSecond * BUDGET_SECONDS
    );
  }

  /** @returns false. */
  #fault(fault: MessageFault): boolean {
    this.#isOver = true;
    this.#chunks = [];
    this.#stream.destroy();
    this.#listener.onFault(fault);
    return false;
  }
}
