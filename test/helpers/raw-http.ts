import type { Socket } from 'node:net';
import { connect } from 'node:net';

/** One answer as it stood on the wire. */
export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** A client that sends whatever bytes it likes, and keeps what it is sent. */
export class RawClient {
  readonly socket: Socket;
  text = '';
  /** The server has ended the connection. */
  ended = false;
  readonly #waiting = new Set<() => void>();

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1');
      this.#wake();
    });
    const onEnd = (): void => {
      this.ended = true;
      this.#wake();
    };
    this.socket.on('end', onEnd).on('close', onEnd);
    // What a server cuts off ends in an error here; the end is what counts.
    this.socket.on('error', () => undefined);
  }

  send(bytes: string | Buffer): this {
    this.socket.write(bytes);
    return this;
  }

  /** Waits until something holds of what has arrived. */
  async until(holds: (text: string) => boolean): Promise<this> {
    while (!holds(this.text)) {
      if (this.ended) throw new Error(`The connection ended first: ${this.text.slice(0, 2000)}`);
      await this.#next();
    }
    return this;
  }

  /** Waits for the server's end of the connection. */
  async untilEnd(): Promise<this> {
    while (!this.ended) await this.#next();
    return this;
  }

  /** The answers with a length or without a body, in order. */
  get answers(): RawAnswer[] {
    const answers: RawAnswer[] = [];
    let rest = this.text;
    while (rest.startsWith('HTTP/1.1 ')) {
      const end = rest.indexOf('\r\n\r\n');
      if (end === -1) break;
      const head = rest.slice(0, end);
      const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
      if (rest.length < end + 4 + length) break;
      answers.push({ status: Number(head.slice(9, 12)), head, body: rest.slice(end + 4, end + 4 + length) });
      rest = rest.slice(end + 4 + length);
    }
    return answers;
  }

  close(): void {
    this.socket.destroy();
  }

  #next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** The text of a request with the headers that every one of HTTP/1.1 has. */
export function rawRequest(line: string, headers: readonly string[] = [], body = ''): string {
  return [`${line} HTTP/1.1`, 'Host: 127.0.0.1', ...headers, '', body].join('\r\n');
}
