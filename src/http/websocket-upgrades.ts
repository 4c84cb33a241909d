import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import { WebSocketServer } from 'ws';

import type { Clock } from '../base/clock.js';
import type { ErrorCode } from '../base/errors.js';
import { StreamKitError } from '../base/errors.js';
import type { Caller } from '../session/caller.js';
import type { MessageSink } from '../session/message-sink.js';
import type { Authorize, CheckRight } from './authorization.js';
import { authorizeUpgrade } from './authorization.js';
import { ROUTES } from '../protocol/routes.js';
import type { CorsPolicy } from './cors-policy.js';
import type { PassedUpgrade, PeerNodes } from './peer-nodes.js';
import { handshakeKey, passUpgrade } from './pass-upgrade.js';
import { refuseUpgrade } from './refuse-upgrade.js';
import type { AnsweredRequest } from './request-handler.js';
import { isSameOrigin } from './request-origin.js';
import { resolveTarget } from './request-target.js';
import { parseStreamQuery } from './session-query.js';
import { listenForUpgrades, type UpgradableServer } from './upgrade-listeners.js';
import { WebSocketSink } from './websocket-sink.js';

export interface AttachOptions {
  /** Path at which the router is mounted on this server, if it is not the root. `basePath` comes after it. */
  readonly path?: string;
}

export interface WebSocketUpgradesParameters {
  readonly basePath: string;
  readonly clock: Clock;
  readonly authorize: Authorize;
  /** Undefined: this node is alone. */
  readonly peers?: PeerNodes | undefined;
  /** Of a caller whom another node has looked at. */
  readonly checkRight?: CheckRight | undefined;
  readonly cors: CorsPolicy;
  /** Proxies that are believed about what the client sees. */
  readonly trustProxy: number;
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
  /** Undefined: the DevTools protocol is not served. @throws StreamKitError what the client is answered. */
  readonly openDebugger?: ((streamId: string, caller: Caller) => Promise<DebuggerLink>) | undefined;
  /** Undefined: the signaling of stream-kit-web is not served. */
  readonly webSignaling?:
    | {
        /** For whom a ticket stands; undefined: for nobody. */
        readonly callerOf: (streamId: string, ticket: string) => Caller | undefined;
        /** @returns what takes the WebSocket. @throws StreamKitError what the client is answered. */
        readonly accept: (streamId: string, caller: Caller) => Promise<(sink: MessageSink) => void>;
      }
    | undefined;
  /** An answer of status 500 was given. */
  readonly onServerError: (thrown: unknown, streamId: string, caller: Caller | undefined) => void;
  /** Any answer was given; 101 where the upgrade was taken. */
  readonly onAnswered?: (answered: AnsweredRequest) => void;
}

/** The routes that are upgraded. */
const UPGRADED = {
  stream: ROUTES.openStream,
  cdp: ROUTES.openDebugger,
  signaling: ROUTES.openWebSignaling,
} as const;
const SWITCHING_PROTOCOLS = 101;

/** Largest message of a client, bytes: a paste fits. */
const MAX_MESSAGE_BYTES = 256 * 1024;

/** One upgrade that is for the router. */
interface Upgrade {
  readonly streamId: string;
  readonly route: (typeof UPGRADED)[keyof typeof UPGRADED];
  readonly path: string;
  readonly query: URLSearchParams;
}

/** Where a client of the DevTools protocol is passed on to. */
export interface DebuggerLink {
  /** Of a local socket. */
  readonly path: string;
  /** The client is gone. */
  readonly release: () => void;
}

/** Where the upgrades of one server come in. */
interface Attachment {
  readonly server: WeakRef<UpgradableServer>;
  readonly mount: string;
  readonly detach: () => void;
}

/** The routes that are upgraded to WebSocket, on any number of servers. */
export class WebSocketUpgrades {
  readonly #parameters: WebSocketUpgradesParameters;
  readonly #protocol = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_MESSAGE_BYTES,
    // Media is compressed already.
    perMessageDeflate: false,
  });
  #attachments: readonly Attachment[] = [];
  #isOver = false;
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

  /**
   * Takes the upgrades of a server that are for the router. To attach again at the same path changes nothing.
   *
   * @returns what ends it; idempotent.
   * @throws StreamKitError `unavailable` after {@link detach}.
   */
  attach(server: UpgradableServer, { path = '' }: AttachOptions = {}): () => void {
    if (this.#isOver)
      throw new StreamKitError('unavailable', 'The router is closed: nothing can be attached');
    const mount = path.replace(/\/+$/, '');
    const known = this.#attachments.find((one) => one.server.deref() === server && one.mount === mount);
    if (known !== undefined) return known.detach;
    const stop = listenForUpgrades(server, (request, socket, head) => {
      const url = request.url ?? '/';
      const target = resolveTarget(url, url, `${mount}${this.#parameters.basePath}`);
      const upgrade = target === undefined ? undefined : upgradeOf(target.path);
      if (target === undefined || upgrade === undefined) return false;
      const { streamId, route } = upgrade;
      if (route === UPGRADED.cdp && this.#parameters.openDebugger === undefined) return false;
      if (route === UPGRADED.signaling && this.#parameters.webSignaling === undefined) return false;
      void this.#answer({ streamId, route, path: target.path, query: target.query }, request, socket, head);
      return true;
    });
    const attachment: Attachment = {
      server: new WeakRef(server),
      mount,
      detach: () => {
        stop();
        this.#attachments = this.#attachments.filter((one) => one !== attachment);
      },
    };
    this.#attachments = [...this.#attachments, attachment];
    return attachment.detach;
  }

  /** Takes no more. Open WebSockets are closed by their sessions. Idempotent. */
  detach(): void {
    this.#isOver = true;
    for (const { detach } of this.#attachments) detach();
  }

  /** Resolves when no WebSocket is open. */
  async untilClosed(): Promise<void> {
    await Promise.all(this.#open);
  }

  async #answer(
    { streamId, route, path, query }: Upgrade,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    // The client may go away while the application decides.
    const onError = (): void => void socket.destroy();
    socket.on('error', onError);
    const { authorize, cors, accept, clock, trustProxy, onServerError } = this.#parameters;
    let caller: Caller | undefined;
    const startedAtMs = performance.now();
    const answered = (status: number, code?: ErrorCode): void => {
      const method = request.method === 'GET' ? 'GET' : 'other';
      const durationMs = performance.now() - startedAtMs;
      this.#parameters.onAnswered?.({ route: route.path, method, status, code, durationMs });
    };
    try {
      if (request.method !== 'GET') {
        const headers = { Allow: 'GET' };
        throw new StreamKitError('method_not_allowed', 'Expected the method GET', { headers });
      }
      if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
        throw new StreamKitError('bad_request', 'Expected Upgrade: websocket');
      }
      const { peers, checkRight } = this.#parameters;
      const passed = peers?.passedCaller({ method: 'GET', headers: request.headers, path, query });
      // A ticket is known to the node that gave it alone: the one that runs the session.
      const ticket = route === UPGRADED.signaling ? query.get('ticket') : null;
      const known =
        ticket === null
          ? (passed?.caller ?? (await authorizeUpgrade(authorize, request, { streamId, route })))
          : this.#callerOfTicket(streamId, ticket);
      caller = known;
      await peers?.whenCertain();
      if (passed !== undefined) peers?.checkHere(streamId);
      if (passed !== undefined) checkRight?.(known, { streamId, route });
      // Browsers let pages of every origin connect, and send cookies along. Another node has looked at that already.
      else if (!isSameOrigin(request.headers, trustProxy) && !(await cors.permits(request.headers.origin))) {
        throw new StreamKitError('forbidden', 'Pages of this origin may not connect');
      }
      if (peers !== undefined && passed === undefined) {
        handshakeKey(request);
        const upgrade: PassedUpgrade = { streamId, caller: known, path, query, request, socket, head };
        const open = await peers.passUpgrade(upgrade);
        if (open !== undefined) {
          socket.off('error', onError);
          this.#hold(open.closed);
          answered(SWITCHING_PROTOCOLS);
          return;
        }
      }
      if (route === UPGRADED.cdp) {
        const key = handshakeKey(request);
        const link = await this.#parameters.openDebugger?.(streamId, known);
        if (link === undefined) throw new StreamKitError('not_found', 'There is no option cdp');
        const closed = passUpgrade(key, socket, head, link.path).finally(link.release);
        socket.off('error', onError);
        this.#hold(closed);
        answered(SWITCHING_PROTOCOLS);
        return;
      }
      const { webSignaling } = this.#parameters;
      const take =
        route === UPGRADED.signaling && webSignaling !== undefined
          ? await webSignaling.accept(streamId, known)
          : await accept(streamId, known, parseStreamQuery(query).viewerId);
      if (socket.destroyed) return;
      socket.off('error', onError);
      this.#protocol.handleUpgrade(request, socket, head, (webSocket) => {
        this.#hold(new Promise((resolve) => webSocket.once('close', () => resolve())));
        answered(SWITCHING_PROTOCOLS);
        take(new WebSocketSink(webSocket, socket, clock));
      });
    } catch (thrown) {
      const status = refuseUpgrade(socket, thrown);
      answered(status, thrown instanceof StreamKitError ? thrown.code : 'internal');
      if (status === 500) onServerError(thrown, streamId, caller);
    }
  }

  /** @throws StreamKitError `unauthorized`. */
  #callerOfTicket(streamId: string, ticket: string): Caller {
    const caller = this.#parameters.webSignaling?.callerOf(streamId, ticket);
    if (caller !== undefined) return caller;
    const headers = { 'WWW-Authenticate': 'Bearer' };
    throw new StreamKitError('unauthorized', 'The ticket is not one of this session', { headers });
  }

  /** Until it is closed. */
  #hold(closed: Promise<void>): void {
    const held = closed.finally(() => this.#open.delete(held));
    this.#open.add(held);
  }
}

function upgradeOf(path: string): Pick<Upgrade, 'streamId' | 'route'> | undefined {
  const [, ofWeb] = /^\/session\/([^/]+)\/signaling\/?$/.exec(path) ?? [];
  if (ofWeb !== undefined) return { streamId: ofWeb, route: UPGRADED.signaling };
  const [, streamId, name] = /^\/([^/]+)\/(stream|cdp)\/?$/.exec(path) ?? [];
  if (streamId === undefined) return undefined;
  return { streamId, route: name === 'cdp' ? UPGRADED.cdp : UPGRADED.stream };
}
