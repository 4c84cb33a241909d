import type { IncomingMessage, Server } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

import { WebSocketServer } from 'ws';

import type { Clock } from '../base/clock.js';
import type { ErrorCode } from '../base/errors.js';
import { StreamKitError } from '../base/errors.js';
import type { Caller } from '../session/caller.js';
import type { MessageSink } from '../session/message-sink.js';
import type { Authorize } from './authorization.js';
import { authorizeUpgrade } from './authorization.js';
import type { CorsPolicy } from './cors-policy.js';
import { errorResponse } from './error-response.js';
import type { AnsweredRequest } from './request-handler.js';
import { resolveTarget } from './request-target.js';
import { parseStreamQuery } from './session-query.js';
import { WebSocketSink } from './websocket-sink.js';

/** Where upgrades to WebSocket can come in. */
export type UpgradableServer = Server | SecureServer;

export interface AttachOptions {
  /** Path at which the router is mounted on this server, if it is not the root. `basePath` comes after it. */
  readonly path?: string;
}

export interface WebSocketUpgradesParameters {
  readonly basePath: string;
  readonly clock: Clock;
  readonly authorize: Authorize;
  readonly cors: CorsPolicy;
  /**
   * @param viewerId - as the client names the viewer to whom the WebSocket belongs; hostile.
   * @returns what takes the WebSocket.
   * @throws StreamKitError what the client is answered.
   */
  readonly accept: (
    streamId: string,
    caller: Caller,
    viewerId: string | undefined,
  ) => Promise<(sink: MessageSink) => void>;
  /** An answer of status 500 was given. */
  readonly onServerError: (thrown: unknown, streamId: string, caller: Caller | undefined) => void;
  /** Any answer was given; 101 where the upgrade was taken. */
  readonly onAnswered?: (answered: AnsweredRequest) => void;
}

/** Under this what is answered here is told. */
const ROUTE = '/:streamId/stream';
const SWITCHING_PROTOCOLS = 101;

/** Largest message of a client, bytes: a paste fits. */
const MAX_MESSAGE_BYTES = 256 * 1024;

/** `GET /:streamId/stream` with `Upgrade: websocket`, on any number of servers. */
export class WebSocketUpgrades {
  readonly #parameters: WebSocketUpgradesParameters;
  readonly #protocol = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_MESSAGE_BYTES,
    // Media is compressed already.
    perMessageDeflate: false,
  });
  readonly #detachments = new Set<() => void>();
  readonly #open = new Set<Promise<void>>();

  constructor(parameters: WebSocketUpgradesParameters) {
    this.#parameters = parameters;
    // Told while `handleUpgrade` runs, which it leaves by this: the answer is then one like all others. RFC 6455 section
    // 4.4: it names the version.
    this.#protocol.on('wsClientError', ({ message }) => {
      const headers = { 'Sec-WebSocket-Version': '13' };
      throw new StreamKitError('bad_request', message, { headers });
    });
  }

  /** Takes the upgrades of a server that are for the router. @returns what ends it; idempotent. */
  attach(server: UpgradableServer, { path = '' }: AttachOptions = {}): () => void {
    const mount = path.replace(/\/+$/, '');
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      const url = request.url ?? '/';
      const target = resolveTarget(url, url, `${mount}${this.#parameters.basePath}`);
      const streamId = /^\/([^/]+)\/stream\/?$/.exec(target?.path ?? '')?.[1];
      if (target !== undefined && streamId !== undefined) {
        void this.#answer({ streamId, query: target.query }, request, socket, head);
      }
      // Node leaves an upgrade alone that any listener may take: one that nobody takes would stay open.
      else if (server.listenerCount('upgrade') === 1) {
        refuse(socket, new StreamKitError('not_found', 'There is nothing at this path'));
      }
    };
    server.on('upgrade', onUpgrade);
    const detach = (): void => {
      server.off('upgrade', onUpgrade);
      this.#detachments.delete(detach);
    };
    this.#detachments.add(detach);
    return detach;
  }

  /** Takes no more. Open WebSockets are closed by their sessions. Idempotent. */
  detach(): void {
    for (const detach of this.#detachments) detach();
  }

  /** Resolves when no WebSocket is open. */
  async untilClosed(): Promise<void> {
    await Promise.all(this.#open);
  }

  async #answer(
    { streamId, query }: { readonly streamId: string; readonly query: URLSearchParams },
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    // The client may go away while the application decides.
    const onError = (): void => void socket.destroy();
    socket.on('error', onError);
    const { authorize, cors, accept, clock, onServerError } = this.#parameters;
    let caller: Caller | undefined;
    const startedAtMs = performance.now();
    const answered = (status: number, code?: ErrorCode): void => {
      const method = request.method === 'GET' ? 'GET' : 'other';
      const durationMs = performance.now() - startedAtMs;
      this.#parameters.onAnswered?.({ route: ROUTE, method, status, code, durationMs });
    };
    try {
      if (request.method !== 'GET') {
        const headers = { Allow: 'GET' };
        throw new StreamKitError('method_not_allowed', 'Expected the method GET', { headers });
      }
      if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
        throw new StreamKitError('bad_request', 'Expected Upgrade: websocket');
      }
      caller = await authorizeUpgrade(authorize, request, streamId);
      // Browsers let pages of every origin connect, and send cookies along.
      if (!isSameOrigin(request) && !(await cors.permits(request.headers.origin))) {
        throw new StreamKitError('forbidden', 'Pages of this origin may not connect');
      }
      const take = await accept(streamId, caller, parseStreamQuery(query).viewerId);
      if (socket.destroyed) return;
      socket.off('error', onError);
      this.#protocol.handleUpgrade(request, socket, head, (webSocket) => {
        const closed = new Promise<void>((resolve) => {
          webSocket.once('close', () => {
            this.#open.delete(closed);
            resolve();
          });
        });
        this.#open.add(closed);
        answered(SWITCHING_PROTOCOLS);
        take(new WebSocketSink(webSocket, socket, clock));
      });
    } catch (thrown) {
      const status = refuse(socket, thrown);
      answered(status, thrown instanceof StreamKitError ? thrown.code : 'internal');
      if (status === 500) onServerError(thrown, streamId, caller);
    }
  }
}

/** Not a page of another origin. A client that is no browser names none. */
function isSameOrigin({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers;
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
}

/** Answers in place of an upgrade. @returns the status. */
function refuse(socket: Duplex, thrown: unknown): number {
  const { status, headers, body = '' } = errorResponse(thrown);
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.on('error', () => undefined);
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body.toString()}`, () => socket.destroy());
  return status;
}
