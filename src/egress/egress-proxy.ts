import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer,
  request as forward,
  STATUS_CODES,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';

import type { Logger } from '../base/logger.js';
import type { TargetPolicy } from '../options/target-policy-options.js';
import {
  EgressDialer,
  Refusal,
  systemResolve,
  type DialLimits,
  type EgressRoute,
  type ResolveName,
} from './egress-dialer.js';
import { carryTunnel, type TunnelRules } from './egress-tunnel.js';

/** Header by which the proxy says why there is no answer (RFC 9209); one from elsewhere does not pass. */
export const PROXY_STATUS = 'proxy-status';
/** What the proxy's own header begins with. */
export const PROXY_ERROR = 'egress; error=';
/** What the proxy answers itself, with 204: by it a browser learns that its credentials are the right ones. */
export const SIGN_IN_URL = 'http://egress.invalid/';

const USER_NAME = 'session';
const PASSWORD_BYTES = 24;

export interface EgressLimits extends DialLimits, Omit<TunnelRules, 'tlsOnly'> {
  /** Of the browser, at once; one more is closed. */
  readonly connections: number;
}

const DEFAULT_LIMITS: EgressLimits = {
  // Chromium itself opens no more than 32 to a proxy, and as many for WebSockets.
  connections: 256,
  resolveMs: 5_000,
  connectMs: 10_000,
  // A WebSocket may be silent for long; a host that is gone is noticed by keep-alive probes.
  idleMs: 900_000,
  lingerMs: 5_000,
};

/** Headers that concern one connection alone (RFC 9110 section 7.6.1); Node writes its own. */
const NOT_PASSED_ON = [
  PROXY_STATUS,
  'connection',
  'proxy-connection',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'upgrade',
];

/** Error types of RFC 9209 section 2.3 by the codes of Node. */
const ERROR_TYPES: Readonly<Record<string, string>> = {
  ENOTFOUND: 'dns_error',
  EAI_AGAIN: 'dns_error',
  EAI_TIMEOUT: 'dns_timeout',
  ECONNREFUSED: 'connection_refused',
  ETIMEDOUT: 'connection_timeout',
  EUPSTREAM: 'proxy_configuration_error',
};

/**
 * The only way out for the page of one session: an HTTP proxy (RFC 9110 section 7.2, CONNECT of section 9.3.6) on a
 * loopback port, which connects to nothing but addresses that it has itself resolved and checked. So a redirect, a name
 * that changes its address, or another way to write one, gets no further than a plain request. It asks for the
 * credentials of its session (RFC 9110 section 11.7), so that no other process of this machine can use it.
 */
export class EgressProxy {
  readonly #policy: TargetPolicy;
  readonly #limits: EgressLimits;
  readonly #dialer: EgressDialer;
  readonly #server: Server;
  /** What a client's connection leads to ends with it. */
  readonly #clients = new Set<Duplex>();
  readonly #password = randomBytes(PASSWORD_BYTES).toString('base64url');
  readonly #authorization: Buffer;

  private constructor(
    policy: TargetPolicy,
    logger: Logger,
    resolve: ResolveName,
    limits: EgressLimits,
    route: EgressRoute | undefined,
  ) {
    const credentials = Buffer.from(`${USER_NAME}:${this.#password}`).toString('base64');
    this.#authorization = Buffer.from(`Basic ${credentials}`);
    this.#policy = policy;
    this.#limits = limits;
    this.#dialer = new EgressDialer(policy, logger, resolve, limits, route);
    this.#server = createServer((request, response) => void this.#forward(request, response));
    this.#server.maxConnections = limits.connections;
    this.#server.on('drop', () => logger.debug({}, 'a page has too many connections'));
    this.#server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      void this.#tunnel(request, socket, head);
    });
    this.#server.on('connection', (socket) => {
      this.#clients.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.#clients.delete(socket));
    });
    // It never keeps a process alive that has nothing else to do.
    this.#server.unref();
  }

  /**
   * Listens on a port of its own.
   *
   * @param resolve - default: the resolver of the system.
   */
  static async open(
    policy: TargetPolicy,
    logger: Logger,
    resolve: ResolveName = systemResolve,
    limits: Partial<EgressLimits> = {},
    route?: EgressRoute,
  ): Promise<EgressProxy> {
    const proxy = new EgressProxy(policy, logger, resolve, { ...DEFAULT_LIMITS, ...limits }, route);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** Its address with the credentials that it asks for, such as `http://session:secret@127.0.0.1:40123`. */
  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://${USER_NAME}:${this.#password}@127.0.0.1:${port}`;
  }

  /** Cuts every connection. Idempotent. */
  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** @throws MissingCredentials */
  #authorize({ headers }: IncomingMessage): void {
    const given = Buffer.from(headers['proxy-authorization'] ?? '');
    const { byteLength } = this.#authorization;
    if (given.byteLength !== byteLength || !timingSafeEqual(given, this.#authorization))
      throw new MissingCredentials();
  }

  async #tunnel(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    const leaving = new AbortController();
    const leave = (): void => leaving.abort();
    // The end of a stream is told only to who reads from it.
    const look = (): void => {
      if (client.readableLength === 0) client.read(0);
    };
    client.once('close', leave).once('end', leave).on('readable', look);
    try {
      this.#authorize(request);
      const url = parse(`http://${request.url ?? ''}`);
      // The port is always written in this form, but the parser drops 80.
      const upstream = await this.#dialer.dial(url, leaving.signal);
      client.off('close', leave).off('end', leave).off('readable', look);
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      const tlsOnly = !this.#policy.schemes.includes('http');
      carryTunnel(client, upstream, head, { ...this.#limits, tlsOnly });
    } catch (error) {
      const { status, headers } = answerTo(error);
      const lines = Object.entries({ ...headers, 'content-length': 0, connection: 'close' });
      const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
      client.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${head}\r\n`, () => client.destroy());
    }
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const leaving = new AbortController();
    response.once('close', () => leaving.abort());
    try {
      this.#authorize(request);
      const url = parse(request.url ?? '');
      if (url.href === SIGN_IN_URL)
        return void response.writeHead(204, { 'access-control-allow-origin': '*' }).end();
      if (url.protocol !== 'http:' || !this.#policy.schemes.includes('http'))
        throw new Refusal('http_request_denied');
      const upstream = await this.#dialer.dial(url, leaving.signal);
      leaving.signal.addEventListener('abort', () => upstream.destroy(), { once: true });
      upstream.setTimeout(this.#limits.idleMs, () => upstream.destroy());
      const outgoing = forward({
        createConnection: () => upstream,
        method: request.method ?? 'GET',
        path: `${url.pathname}${url.search}`,
        headers: { ...endToEnd(request), host: url.host },
      });
      // One that came through an upstream proxy is paused.
      outgoing.on('socket', (socket) => socket.resume());
      outgoing.on('response', (incoming) => {
        try {
          response.writeHead(incoming.statusCode ?? 502, endToEnd(incoming));
          pipeline(incoming, response, () => undefined);
        } catch (error) {
          // A status that is none, for one: Node reads more than it writes.
          fail(response, error);
        }
      });
      outgoing.on('error', (error) => fail(response, error));
      // Also without an error: after an upgrade that nobody asked for.
      outgoing.on('close', () => fail(response, new Error('There was no answer')));
      pipeline(request, outgoing, () => undefined);
    } catch (error) {
      fail(response, error);
    }
  }
}

/** A client has not shown the credentials of the session. */
class MissingCredentials extends Error {}

function answerTo(error: unknown): { readonly status: number; readonly headers: Record<string, string> } {
  if (error instanceof MissingCredentials) {
    return { status: 407, headers: { 'proxy-authenticate': 'Basic realm="egress"' } };
  }
  if (error instanceof Refusal)
    return { status: 403, headers: { [PROXY_STATUS]: `${PROXY_ERROR}${error.message}` } };
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const type = ERROR_TYPES[code] ?? 'destination_unavailable';
  return { status: 502, headers: { [PROXY_STATUS]: `${PROXY_ERROR}${type}` } };
}

function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return;
  const { status, headers } = answerTo(error);
  response.writeHead(status, { ...headers, 'content-length': 0 }).end();
}

/** @throws Refusal for what is no URL, or has a user name in it. */
function parse(text: string): URL {
  if (!URL.canParse(text)) throw new Refusal('http_request_denied');
  const url = new URL(text);
  if (url.hostname === '' || url.username !== '' || url.password !== '')
    throw new Refusal('http_request_denied');
  return url;
}

/**
 * Pairs stay as often as they came: two `Set-Cookie` are two. Names such as `__proto__` are names like any other, which
 * they are not in the objects of every version of Node.
 */
function endToEnd({ rawHeaders, headers: { connection = '' } }: IncomingMessage): Record<string, string[]> {
  const named = connection.split(',').map((name) => name.trim().toLowerCase());
  const headers = Object.create(null) as Record<string, string[]>;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    if (!NOT_PASSED_ON.includes(name) && !named.includes(name))
      (headers[name] ??= []).push(rawHeaders[index + 1] ?? '');
  }
  return headers;
}
