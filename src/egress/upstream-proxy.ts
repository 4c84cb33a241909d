import { isIPv6, type Socket } from 'node:net';

import { asError } from '../base/errors.js';
import type { ResolvedPageOptions } from '../options/page-options.js';

/** An HTTP proxy behind the egress proxy of a session: all that the page loads goes through both. */
export interface UpstreamProxy {
  /** Such as `http://user:password@proxy.example:3128`; a secret. */
  readonly url: string;
  /** Whether its own address must be one that pages may reach: a client has chosen it. */
  readonly isChecked: boolean;
}

/** The world of a page: the server's, with what its client has chosen. Where the server has a proxy, no client gets past it. */
export function worldOf(
  own: ResolvedPageOptions,
  chosen: ResolvedPageOptions,
): { page: ResolvedPageOptions; upstreamProxy: UpstreamProxy | undefined } {
  const url = own.upstreamProxy ?? chosen.upstreamProxy;
  const upstreamProxy = url === undefined ? undefined : { url, isChecked: own.upstreamProxy === undefined };
  return { page: { ...own, ...chosen }, upstreamProxy };
}

/** Of the answer to CONNECT, bytes. */
const MAX_HEAD_BYTES = 16 * 1024;

/**
 * Has a proxy connect to an address (RFC 9110 section 9.3.6). The socket is paused afterwards.
 *
 * @param socket - connected to the proxy; destroyed on failure.
 * @throws Error with the code `EUPSTREAM` where the proxy refuses; the reason of `signal`.
 */
export async function openTunnel(
  socket: Socket,
  proxy: URL,
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<void> {
  const authority = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const { username, password } = proxy;
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  const authorization =
    username === '' ? '' : `Proxy-Authorization: Basic ${credentials.toString('base64')}\r\n`;
  try {
    await new Promise<void>((resolve, reject) => {
      let head = Buffer.alloc(0);
      const settle = (error?: Error): void => {
        socket.off('data', onData).off('end', onEnd).off('close', onEnd).pause();
        signal.removeEventListener('abort', onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onEnd = (): void => settle(refused());
      const onAbort = (): void => settle(asError(signal.reason));
      const onData = (chunk: Buffer): void => {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf('\r\n\r\n');
        if (end < 0 && head.byteLength <= MAX_HEAD_BYTES) return;
        const isOpen = end >= 0 && /^HTTP\/1\.[01] 2\d\d[ \r]/.test(head.toString('latin1', 0, end + 2));
        settle(isOpen ? undefined : refused());
        if (isOpen && head.byteLength > end + 4) socket.unshift(head.subarray(end + 4));
      };
      socket.on('data', onData).on('end', onEnd).on('close', onEnd);
      signal.addEventListener('abort', onAbort, { once: true });
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${authorization}\r\n`);
      if (signal.aborted) onAbort();
    });
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function refused(): Error {
  return Object.assign(new Error('The upstream proxy does not connect'), { code: 'EUPSTREAM' });
}
