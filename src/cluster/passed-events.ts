import { Transform, type TransformCallback } from 'node:stream';

import type { Timer } from '../base/clock.js';

/** Most of one event that is held back until it is whole, bytes; the rest of a longer one passes as it comes. */
const MAX_EVENT_BYTES = 8 * 1024 * 1024;
const END_OF_EVENT = Buffer.from('\n\n');

/** What the viewers of a node that is gone are told: the end of the state, and of the stream. */
const LOST = [
  'event: state_patch',
  `data: ${JSON.stringify([
    { op: 'add', path: '/status', value: 'error' },
    { op: 'add', path: '/error', value: 'The server that rendered this session was lost' },
  ])}`,
  '',
  'event: custom_signal',
  `data: ${JSON.stringify({ type: 'closed', payload: { reason: 'error', code: 'node_lost' } })}`,
  '',
  '',
].join('\n');

/** An event stream on its way from one node to a client of another: only whole events pass, so that others can follow. */
export class PassedEvents extends Transform {
  #tail: Buffer = Buffer.alloc(0);
  #isOver = false;
  #waiting: Timer | undefined;

  /** The node is gone for good: the client is told so, and the stream ends. Idempotent. */
  lose(): void {
    this.#finish(LOST);
  }

  /** The session goes on at another node: the stream ends, and the client comes again. Idempotent. */
  finish(): void {
    this.#finish('');
  }

  /** The connection to the node is gone, for a reason that shows within a while: {@link lose}, or else this stream ends. */
  endLater(wait: (end: () => void) => Timer): void {
    this.#waiting ??= wait(() => this.#finish(''));
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const bytes = this.#tail.byteLength === 0 ? chunk : Buffer.concat([this.#tail, chunk]);
    const at = bytes.lastIndexOf(END_OF_EVENT);
    const whole = at === -1 ? 0 : at + END_OF_EVENT.byteLength;
    const isTooLong = bytes.byteLength - whole > MAX_EVENT_BYTES;
    this.#tail = isTooLong ? Buffer.alloc(0) : bytes.subarray(whole);
    const passed = isTooLong ? bytes : bytes.subarray(0, whole);
    done(null, passed.byteLength === 0 ? undefined : passed);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#waiting?.cancel();
    done(error);
  }

  #finish(last: string): void {
    this.#waiting?.cancel();
    if (this.#isOver || this.destroyed || this.writableEnded) return;
    this.#isOver = true;
    this.#tail = Buffer.alloc(0);
    this.end(last);
  }
}
