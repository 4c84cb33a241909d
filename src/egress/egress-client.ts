import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';

import type { Logger } from '../base/logger.js';
import type { TargetPolicy } from '../options/target-policy-options.js';
import { EgressDialer, Refusal, type ResolveName, systemResolve } from './egress-dialer.js';
import { hostOf, permitsUrl } from './target-policy.js';

export interface EgressRequest {
  readonly method: 'POST' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An answer without its body where that is not of 2xx. */
export interface EgressAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** Of `Link`, one entry for each line. */
  readonly links: readonly string[];
  readonly body: string;
}

/** Of an answer, bytes. */
const MAX_BODY_BYTES = 64 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
const LIMITS = { resolveMs: 5000, connectMs: 5000 };

/** Makes HTTP requests and connections to what a policy permits, to the very addresses that were checked. It follows no redirects. */
export class EgressClient {
  readonly #policy: TargetPolicy;
  readonly #dialer: EgressDialer;
  readonly #trusted: Pick<ConnectionOptions, 'ca'>;

  /** @param trusted - certificate authorities. Default: those of Node. */
  constructor(
    policy: TargetPolicy,
    logger: Logger,
    resolve: ResolveName = systemResolve,
    trusted: Pick<ConnectionOptions, 'ca'> = {},
  ) {
    this.#policy = policy;
    this.#trusted = trusted;
    this.#dialer = new EgressDialer(policy, logger, resolve, LIMITS);
  }

  /**
   * Checks what can be checked of a URL without resolving its name.
   *
   * @throws Refusal.
   */
  check(url: URL): void {
    if (!permitsUrl(this.#policy, url)) throw new Refusal('http_request_denied');
  }

  /** The first address of a host that is permitted. @throws Refusal, an Error with the code of Node, the reason of `signal`. */
  addressOf(host: string, port: number, signal: AbortSignal): Promise<string> {
    const authority = isIP(host) === 6 ? `[${host}]` : host;
    return this.#dialer.addressOf(new URL(`http://${authority}:${port}/`), signal);
  }

  /** A connection to a host; with `https:` over TLS, and the certificate has been checked. @throws as {@link send}. */
  async dial(url: URL, signal: AbortSignal): Promise<Socket> {
    this.check(url);
    const socket = await this.#dialer.dial(url, signal);
    return url.protocol === 'https:' ? secured(socket, hostOf(url), this.#trusted, signal) : socket;
  }

  /**
   * @param signal - gives it up, also while the body is read.
   * @throws Refusal, an Error with the code of Node, the reason of `signal`.
   */
  async send({ method, url, headers, body }: EgressRequest, signal: AbortSignal): Promise<EgressAnswer> {
    const socket = await this.dial(url, signal);
    try {
      const answer = await exchange(socket, url, { method, headers, signal }, body);
      const isWanted = answer.statusCode !== undefined && Math.floor(answer.statusCode / 100) === 2;
      return {
        status: answer.statusCode ?? 0,
        headers: answer.headers,
        links: answer.headersDistinct.link ?? [],
        body: isWanted ? await textOf(answer) : '',
      };
    } finally {
      socket.destroy();
    }
  }
}

/** @throws Error with the code of Node, the reason of `signal`. */
async function secured(
  socket: Socket,
  host: string,
  trusted: Pick<ConnectionOptions, 'ca'>,
  signal: AbortSignal,
): Promise<Socket> {
  // The certificate is checked against `host`. An address cannot be a server name (RFC 6066 section 3).
  const secure = connectTls({ ...trusted, socket, host, ...(isIP(host) === 0 ? { servername: host } : {}) });
  secure.on('error', () => undefined);
  try {
    await once(secure, 'secureConnect', { signal });
    return secure;
  } catch (error) {
    secure.destroy();
    socket.destroy();
    signal.throwIfAborted();
    throw error;
  }
}

function exchange(
  socket: Socket,
  url: URL,
  options: Pick<RequestOptions, 'method' | 'signal'> & { readonly headers: Readonly<Record<string, string>> },
  body = '',
): Promise<IncomingMessage> {
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const request = send(url, {
      ...options,
      headers: { ...options.headers, 'Content-Length': String(Buffer.byteLength(body)), Connection: 'close' },
      maxHeaderSize: MAX_HEADER_BYTES,
      createConnection: () => socket,
    });
    request.on('response', resolve);
    // It may come while the body of the answer is read.
    request.on('error', reject);
    // Also without an error: after an upgrade that nobody asked for.
    request.on('close', () => reject(new Error('There was no answer')));
    request.end(body);
  });
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BODY_BYTES) throw new Error('The answer is larger than 64 KiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
