import type { MessageSink, MessageSinkListener } from '../../src/session/message-sink.js';
import { FakeConnection } from './fake-connection.js';

/** A chunk as a client of the binary stream reads it. */
export interface ReadChunk {
  readonly seq: number;
  readonly kind: 'keyframe' | 'delta' | 'audio';
  readonly timeUs: number;
  readonly payload: Buffer;
}

const KINDS = ['keyframe', 'delta', 'audio'] as const;

export function readChunk(bytes: Uint8Array): ReadChunk {
  const chunk = Buffer.from(bytes);
  const kind = KINDS[chunk.readUInt8(8)];
  if (kind === undefined) throw new Error(`There is no kind ${chunk.readUInt8(8)}`);
  return {
    seq: Number(chunk.readBigUInt64BE(0)),
    kind,
    timeUs: Number(chunk.readBigUInt64BE(9)),
    payload: chunk.subarray(17),
  };
}

/** An open WebSocket to a client that the test plays. While `takes` is false it reads nothing. */
export class FakeMessageSink extends FakeConnection<MessageSinkListener> implements MessageSink {
  readonly texts: string[] = [];
  /** The binary messages. */
  readonly frames: Buffer[] = [];
  closed: { code: number; reason: string } | undefined;
  takes = true;
  /** For each that waits for its answer, how many frames were sent before it. */
  #pings: number[] = [];

  sendText(text: string): void {
    this.texts.push(text);
    if (!this.takes) this.backlogBytes += text.length;
  }

  sendBinary(bytes: Uint8Array): void {
    this.frames.push(Buffer.from(bytes));
    if (!this.takes) this.backlogBytes += bytes.byteLength;
  }

  /** Answered at once by a client that reads, else by {@link pong}. */
  ping(): void {
    this.#pings.push(this.frames.length);
    if (this.takes) this.pong();
  }

  /** The client has read this many frames. Default: all that were sent. */
  pong(frames = this.frames.length): void {
    const answered = this.#pings.filter((before) => before <= frames).length;
    this.#pings = this.#pings.slice(answered);
    for (let index = 0; index < answered; index++) this.listener?.onPong();
  }

  override drain(): void {
    this.backlogBytes = 0;
    this.pong();
    super.drain();
  }

  close(code: number, reason: string): void {
    this.closed ??= { code, reason };
    this.lose();
  }

  receive(message: unknown): void {
    this.listener?.onText(typeof message === 'string' ? message : JSON.stringify(message));
  }

  receiveBinary(): void {
    this.listener?.onBinary();
  }

  messages(type: string): Record<string, unknown>[] {
    return this.texts
      .map((text) => JSON.parse(text) as Record<string, unknown>)
      .filter((message) => message.type === type);
  }

  /** As the chunks of a page. */
  get chunks(): ReadChunk[] {
    return this.frames.map(readChunk);
  }

  get sequences(): number[] {
    return this.frames.map((frame) => Number(frame.readBigUInt64BE(0)));
  }
}
