import { createServer, type Server } from 'node:http';
import { join } from 'node:path';

import { type WebSocket, WebSocketServer } from 'ws';

import { StreamKitError } from '../../base/errors.js';
import type { CdpConnection } from './cdp-connection.js';
import { CdpGuest, type TargetFields } from './cdp-guest.js';

/** Clients of one session at the same time. */
const MAX_GUESTS = 8;
/** Of one message of a client, bytes: the content of a document, or of a file that a test brings. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** What waits for a client that does not read; beyond it the client is cut off. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;
/** RFC 6455 section 7.4.1; and "try again later" of the registry. */
const CLOSE_NORMAL = 1000;
const CLOSE_OVERLOADED = 1013;
const CLOSE_INTERNAL_ERROR = 1011;

/**
 * Serves the DevTools protocol by WebSocket on a local socket in the session's folder. The host passes bytes between it and a
 * client without looking at them.
 */
export class CdpGuestServer {
  readonly path: string;
  readonly #server: Server;
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  readonly #connection: CdpConnection;
  readonly #isHidden: (target: TargetFields) => boolean;

  private constructor(path: string, connection: CdpConnection, isHidden: (target: TargetFields) => boolean) {
    this.path = path;
    this.#connection = connection;
    this.#isHidden = isHidden;
    this.#server = createServer((_request, response) => response.writeHead(426).end());
    this.#server.on('upgrade', (request, socket, head) => {
      if (this.#webSockets.clients.size >= MAX_GUESTS) {
        socket.end('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
        return;
      }
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => void this.#serve(webSocket));
    });
  }

  /** @param folder - exists, and is nobody else's. */
  static async open(
    folder: string,
    connection: CdpConnection,
    isHidden: (target: TargetFields) => boolean,
  ): Promise<CdpGuestServer> {
    const server = new CdpGuestServer(join(folder, 'cdp.sock'), connection, isHidden);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject);
      server.#server.listen(server.path, resolve);
    });
    return server;
  }

  /** @throws StreamKitError `at_capacity`. */
  checkRoom(): void {
    if (this.#webSockets.clients.size < MAX_GUESTS) return;
    throw new StreamKitError('at_capacity', `The session has ${MAX_GUESTS} clients of its page already`);
  }

  /** Idempotent. */
  close(): void {
    for (const webSocket of this.#webSockets.clients) webSocket.terminate();
    this.#server.close();
  }

  async #serve(webSocket: WebSocket): Promise<void> {
    // What is wrong with it shows in its end.
    webSocket.on('error', () => undefined);
    // Commands that come while its session is being opened.
    const early: string[] = [];
    let receive = (json: string): void => void early.push(json);
    webSocket.on('message', (data) => receive((data as Buffer).toString('utf8')));
    try {
      const guest = await CdpGuest.open(this.#connection, this.#isHidden, {
        send: (json) => {
          if (webSocket.bufferedAmount > MAX_QUEUED_BYTES) webSocket.close(CLOSE_OVERLOADED);
          else if (webSocket.readyState === webSocket.OPEN) webSocket.send(json, () => undefined);
        },
        onEnded: () => webSocket.close(CLOSE_NORMAL),
      });
      if (webSocket.readyState !== webSocket.OPEN) guest.close();
      webSocket.once('close', () => guest.close());
      receive = (json) => guest.receive(json);
      for (const json of early.splice(0)) guest.receive(json);
    } catch {
      webSocket.close(CLOSE_INTERNAL_ERROR);
    }
  }
}
