import { createServer, type Server } from 'node:http';
import { join } from 'node:path';

import { type WebSocket, WebSocketServer } from 'ws';

import type { Clock } from '../../base/clock.js';
import { StreamKitError } from '../../base/errors.js';
import type { ProgramInput } from './program-input.js';
import type { CdpConnection } from './cdp-connection.js';
import { CdpGuest, type TargetFields } from './cdp-guest.js';

/** Clients of one session at the same time. */
const MAX_GUESTS = 8;
/** The longest message of a client, bytes: the content of a document, or of a file that a test brings. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** What waits for a client that does not read; beyond it the client is cut off. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;
const PING_INTERVAL_MS = 15_000;
/** A client that answers none of so many pings in a row is gone. Not sooner: its own debugger may have halted it. */
const MAX_UNANSWERED_PINGS = 8;
/** A closing handshake may take this long, ms. */
const CLOSE_TIMEOUT_MS = 2_000;
/** RFC 6455 section 7.4.1; and "try again later" of the registry. */
const CLOSE_CODES = { left: 1000, oversized: 1009, failed: 1011, overloaded: 1013 } as const;

export interface CdpGuestServerParameters {
  /** The session's, for the local socket. */
  readonly folder: string;
  readonly connection: CdpConnection;
  /** Whether a target is none of a guest's business. */
  readonly isHidden: (target: TargetFields) => boolean;
  /** A guest has pressed something in the page of this target. */
  readonly onPress: (targetId: string) => void;
  readonly onScreenshot: () => Promise<void>;
  readonly clock: Clock;
}

/**
 * Serves the DevTools protocol by WebSocket on a local socket in the session's folder, from when it is first asked for. The host
 * passes bytes between it and a client without looking at them.
 */
export class CdpGuestServer {
  readonly #parameters: CdpGuestServerParameters;
  readonly #server: Server;
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  readonly #guests = new Set<CdpGuest>();
  #input: ProgramInput = 'pass';
  #listening: Promise<void> | undefined;
  #isClosed = false;

  constructor(parameters: CdpGuestServerParameters) {
    this.#parameters = parameters;
    this.#server = createServer((_request, response) => response.writeHead(426).end());
    this.#server.on('upgrade', (request, socket, head) => {
      if (this.#webSockets.clients.size >= MAX_GUESTS) {
        // The client may be gone already.
        socket.on('error', () => undefined);
        socket.end('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
        return;
      }
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => void this.#serve(webSocket));
    });
  }

  /** A guest has halted a page by the debugger. */
  get hasPaused(): boolean {
    return [...this.#guests].some((guest) => guest.hasPaused);
  }

  /** What becomes of the input of guests from now on. At first it passes. */
  setInput(input: ProgramInput): void {
    this.#input = input;
    for (const guest of this.#guests) guest.setInput(input);
  }

  /**
   * Listens, unless it does already, and looks whether there is room for one more client.
   *
   * @returns the path of the local socket; the same each time.
   * @throws StreamKitError `at_capacity`; `unavailable` if it cannot listen, which the next call tries again.
   */
  async open(): Promise<string> {
    if (this.#isClosed) throw new StreamKitError('unavailable', 'The browser is being closed');
    const path = join(this.#parameters.folder, 'cdp.sock');
    this.#listening ??= this.#listen(path).catch((cause: unknown) => {
      this.#listening = undefined;
      throw new StreamKitError('unavailable', 'The DevTools protocol cannot be served', { cause });
    });
    await this.#listening;
    if (this.#webSockets.clients.size >= MAX_GUESTS) {
      throw new StreamKitError('at_capacity', `The session has ${MAX_GUESTS} clients of its page already`);
    }
    return path;
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true;
    for (const webSocket of this.#webSockets.clients) webSocket.terminate();
    this.#server.close();
  }

  async #listen(path: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      // It stays: a connection that cannot be accepted is that client's trouble alone.
      this.#server.on('error', reject);
      this.#server.listen(path, resolve);
    });
    if (this.#isClosed) this.#server.close();
  }

  async #serve(webSocket: WebSocket): Promise<void> {
    // What is wrong with it shows in its end.
    webSocket.on('error', () => undefined);
    this.#watch(webSocket);
    // Commands wait in the socket while its session is being opened.
    webSocket.pause();
    const end = (why: keyof typeof CLOSE_CODES): void => this.#end(webSocket, CLOSE_CODES[why]);
    try {
      const { connection, isHidden, onPress, onScreenshot } = this.#parameters;
      const guest = await CdpGuest.open(connection, isHidden, {
        send: (json) => {
          if (webSocket.bufferedAmount > MAX_QUEUED_BYTES) end('overloaded');
          else if (webSocket.readyState === webSocket.OPEN) webSocket.send(json, () => undefined);
        },
        onPress,
        onScreenshot,
        onEnded: end,
      });
      if (webSocket.readyState !== webSocket.OPEN) {
        guest.close();
        return;
      }
      this.#guests.add(guest);
      guest.setInput(this.#input);
      webSocket.once('close', () => {
        this.#guests.delete(guest);
        guest.close();
      });
      webSocket.on('message', (data) => guest.receive((data as Buffer).toString('utf8')));
      webSocket.resume();
    } catch {
      end('failed');
    }
  }

  /** Finds out whether the client is still there, and keeps the ways to it open. */
  #watch(webSocket: WebSocket): void {
    let unanswered = 0;
    const pings = this.#parameters.clock.every(PING_INTERVAL_MS, () => {
      if (unanswered >= MAX_UNANSWERED_PINGS) webSocket.terminate();
      else if (webSocket.readyState === webSocket.OPEN) webSocket.ping();
      unanswered += 1;
    });
    const isThere = (): void => void (unanswered = 0);
    webSocket.on('pong', isThere);
    webSocket.on('message', isThere);
    webSocket.once('close', () => pings.cancel());
  }

  #end(webSocket: WebSocket, code: number): void {
    if (webSocket.readyState !== webSocket.OPEN) return;
    webSocket.close(code);
    // Otherwise the answer to it is not read.
    webSocket.resume();
    const deadline = this.#parameters.clock.after(CLOSE_TIMEOUT_MS, () => webSocket.terminate());
    webSocket.once('close', () => deadline.cancel());
  }
}
