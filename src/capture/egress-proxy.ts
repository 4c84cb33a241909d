import { lookup as resolveName, type LookupAddress } from 'node:dns';
import { once } from 'node:events';
import {
  createServer,
  request as forward,
  STATUS_CODES,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect, isIP, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';

import { asError } from '../errors.js';
import type { Logger } from '../logger.js';
import { permitsAddress, permitsHost, portOf, type TargetPolicy } from '../target-policy.js';

/** Finds the addresses of a name. */
export type ResolveName = (
  hostname: string,
  callback: (error: Error | null, addresses: readonly LookupAddress[]) => void,
) => void;

/** Header by which the proxy says why there is no answer (RFC 9209); one from elsewhere does not pass. */
export const PROXY_STATUS = 'proxy-status';

const CONNECT_TIMEOUT_MS = 10_000;
/** Connections of all pages together; one more is refused. */
const MAX_CONNECTIONS = 4096;
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
  ECONNREFUSED: 'connection_refused',
  ETIMEDOUT: 'connection_timeout',
};

/** Error types of RFC 9209 for what the policy does not permit. */
export type EgressRefusal = 'http_request_denied' | 'destination_ip_prohibited';

/** The page asked for what its policy does not permit. */
class Refusal extends Error {}

/**
 * The only way out for the pages of one router: an HTTP proxy (RFC 9110 section 7.2, CONNECT of section 9.3.6) on a
 * loopback port, which connects to nothing but addresses that it has itself resolved and checked. So a redirect, a name
 * that changes its address, or another way to write one, gets no further than a plain request.
 */
export class EgressProxy {
  readonly #policy: TargetPolicy;
  readonly #logger: Logger;
  readonly #resolve: ResolveName;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();
  readonly #refusals: Record<EgressRefusal, number> = {
    http_request_denied: 0,
    destination_ip_prohibited: 0,
  };
  #listening: Promise<string> | undefined;

  /** @param resolve - default: the resolver of the system. */
  constructor(policy: TargetPolicy, logger: Logger, resolve: ResolveName = systemResolve) {
    this.#policy = policy;
    this.#logger = logger;
    this.#resolve = resolve;
    this.#server = createServer((request, response) => void this.#forward(request, response));
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      void this.#tunnel(request, socket, head);
    });
    this.#server.on('connection', (socket) => this.#keep(socket));
    // It never keeps a process alive that has nothing else to do.
    this.#server.unref();
  }

  /** Its address, such as `http://127.0.0.1:40123`; listens from the first call on. */
  origin(): Promise<string> {
    this.#listening ??= (async () => {
      this.#server.listen(0, '127.0.0.1');
      await once(this.#server, 'listening');
      return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    })();
    return this.#listening;
  }

  /** How often pages were refused a host or its addresses. */
  get refusals(): Readonly<Record<EgressRefusal, number>> {
    return this.#refusals;
  }

  /** Cuts every connection. Idempotent. */
  async close(): Promise<void> {
    if (this.#listening === undefined) return;
    await this.#listening.catch(() => undefined);
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #tunnel(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    try {
      const url = parse(`http://${request.url ?? ''}`);
      // The port is always written in this form, but the parser drops 80.
      const upstream = await this.#connect(url, portOf(url));
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.write(head);
      pipeline(socket, upstream, socket, () => undefined);
    } catch (error) {
      const { status, proxyStatus } = answerTo(error);
      socket.end(
        `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nProxy-Status: ${proxyStatus}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
      );
    }
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let upstream: Socket | undefined;
    try {
      const url = parse(request.url ?? '');
      if (url.protocol !== 'http:' || !this.#policy.schemes.includes('http'))
        throw new Refusal('http_request_denied');
      upstream = await this.#connect(url, portOf(url));
      const connected = upstream;
      const outgoing = forward({
        createConnection: () => connected,
        method: request.method ?? 'GET',
        path: `${url.pathname}${url.search}`,
        headers: { ...endToEnd(request), host: url.host },
      });
      outgoing.on('response', (incoming) => {
        try {
          response.writeHead(incoming.statusCode ?? 502, endToEnd(incoming));
          pipeline(incoming, response, () => undefined);
        } catch (error) {
          // A status that is none, for one: Node reads more than it writes.
          outgoing.destroy();
          fail(response, error);
        }
      });
      outgoing.on('error', (error) => {
        if (response.headersSent) response.destroy();
        else fail(response, error);
      });
      response.on('close', () => outgoing.destroy());
      pipeline(request, outgoing, () => undefined);
    } catch (error) {
      upstream?.destroy();
      fail(response, error);
    }
  }

  /**
   * A connection to the first permitted address of a host.
   *
   * @throws Refusal where the host or every address of it is not permitted.
   */
  async #connect(url: URL, port: number): Promise<Socket> {
    if (!permitsHost(this.#policy, url.hostname)) this.#refuse(url.hostname, port, 'http_request_denied');
    const addresses = await this.#addressesOf(url.hostname.replace(/^\[(.*)\]$/, '$1'));
    const permitted = addresses.filter((address) => permitsAddress(this.#policy, address, port));
    if (permitted.length === 0) this.#refuse(url.hostname, port, 'destination_ip_prohibited');
    let last: Error | undefined;
    for (const address of permitted) {
      const socket = connect({ host: address, port });
      this.#keep(socket);
      socket.setTimeout(CONNECT_TIMEOUT_MS, () =>
        socket.destroy(Object.assign(new Error('The connection took too long'), { code: 'ETIMEDOUT' })),
      );
      try {
        await once(socket, 'connect');
        socket.setTimeout(0);
        return socket;
      } catch (error) {
        last = asError(error);
      }
    }
    throw last ?? new Error('No address answered');
  }

  #addressesOf(hostname: string): Promise<readonly string[]> {
    if (isIP(hostname) !== 0) return Promise.resolve([hostname]);
    return new Promise((resolve, reject) => {
      this.#resolve(hostname, (error, addresses) => {
        if (error === null) resolve(addresses.map(({ address }) => address));
        else reject(error);
      });
    });
  }

  /** The host alone: what is behind it may be a secret. */
  #refuse(host: string, port: number, errorType: EgressRefusal): never {
    this.#refusals[errorType] += 1;
    this.#logger.debug({ host, port }, 'a page was refused what its policy does not permit');
    throw new Refusal(errorType);
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

function answerTo(error: unknown): { readonly status: number; readonly proxyStatus: string } {
  if (error instanceof Refusal) return { status: 403, proxyStatus: `egress; error=${error.message}` };
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return { status: 502, proxyStatus: `egress; error=${ERROR_TYPES[code] ?? 'destination_unavailable'}` };
}

function fail(response: ServerResponse, error: unknown): void {
  const { status, proxyStatus } = answerTo(error);
  response.writeHead(status, { [PROXY_STATUS]: proxyStatus, 'Content-Length': 0 }).end();
}

function systemResolve(hostname: string, callback: Parameters<ResolveName>[1]): void {
  resolveName(hostname, { all: true, verbatim: true }, callback);
}

/** @throws Refusal for what is no URL, or has a user name in it. */
function parse(text: string): URL {
  if (!URL.canParse(text)) throw new Refusal('http_request_denied');
  const url = new URL(text);
  if (url.hostname === '' || url.username !== '' || url.password !== '')
    throw new Refusal('http_request_denied');
  return url;
}

/** Pairs stay in their order and as often as they came: two `Set-Cookie` are two. */
function endToEnd(message: IncomingMessage): Record<string, string | string[]> {
  const named = (message.headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  const headers: Record<string, string | string[]> = {};
  for (const [name, values] of Object.entries(message.headersDistinct)) {
    if (values !== undefined && !NOT_PASSED_ON.includes(name) && !named.includes(name))
      headers[name] = values;
  }
  return headers;
}
