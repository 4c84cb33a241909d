import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { StreamConnection } from '../../src/client/connection/stream-connection.js';
import type { StreamEvents } from '../../src/client/connection/stream-events.js';

export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  body: string;
}

/** A server whose answers the test writes one request at a time. */
export class ScriptedServer {
  /** For what is no plain request. */
  readonly http: Server;
  readonly #arrived: Exchange[] = [];
  readonly #waiting: ((exchange: Exchange) => void)[] = [];

  constructor() {
    this.http = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const exchange = { request, response, body };
        const taker = this.#waiting.shift();
        if (taker) taker(exchange);
        else this.#arrived.push(exchange);
      });
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.http.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}/stream`;
  }

  next(): Promise<Exchange> {
    const exchange = this.#arrived.shift();
    return exchange ? Promise.resolve(exchange) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): Promise<void> {
    this.http.closeAllConnections();
    return new Promise((resolve) => this.http.close(() => resolve()));
  }
}

export function openStream({ response }: Exchange): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('retry: 60\n\n');
}

export function sendSignal({ response }: Exchange, type: string, payload: unknown): void {
  response.write(`event: custom_signal\ndata: ${JSON.stringify({ type, payload })}\n\n`);
}

/** The next of the events of a name. */
export function once<Name extends keyof StreamEvents>(
  connection: StreamConnection,
  name: Name,
): Promise<StreamEvents[Name]> {
  return new Promise((resolve) => {
    const remove = connection.on(name, (value) => {
      remove();
      resolve(value);
    });
  });
}
