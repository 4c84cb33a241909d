import { BlockList, isIP } from 'node:net';

import { clientAddress, forwardedAddresses } from './caller-address.js';
import type { AccessRequest } from './http-message.js';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** @returns whether an IP address is one of the loopback interface (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3). */
export function isLoopbackAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && loopback.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/**
 * Why a request does not count as local; undefined if it does. A local request comes from a loopback address and names
 * the server by an IP address or as `localhost`. Any other name could be one whose owner has pointed it to this machine
 * (DNS rebinding): a page of that name would be of the same origin as this server.
 *
 * @param trustedProxies - as in {@link clientAddress}.
 */
export function remoteReason(
  { headers, remoteAddress }: Pick<AccessRequest, 'headers' | 'remoteAddress'>,
  trustedProxies: number,
): string | undefined {
  const address = clientAddress({ headers, remoteAddress }, trustedProxies);
  if (address === undefined) return 'the address of the client is not known';
  if (!isLoopbackAddress(address)) return 'the client is not on this machine';
  // A proxy on this machine passes requests of others on. Without trustProxy its entries count against the request only.
  const forwarded = forwardedAddresses(headers).filter((entry) => entry !== '');
  if (!forwarded.every(isLoopbackAddress)) return 'a proxy has forwarded the request of another machine';
  const hosts = [headers.host ?? authorityOf(headers), headers['x-forwarded-host']].flat();
  if (hosts[0] === undefined) return 'the request has no Host';
  const isForeign = (host: string | undefined): boolean => host !== undefined && !isLocalHost(host);
  return hosts.some(isForeign) ? 'Host is neither an IP address nor localhost' : undefined;
}

/** RFC 9113 section 8.3.1: what HTTP/2 has in place of Host. */
function authorityOf(headers: AccessRequest['headers']): string | undefined {
  const authority: unknown = headers[':authority'];
  return typeof authority === 'string' ? authority : undefined;
}

/** Whether nobody else can point the name in a Host header to this machine (RFC 6761 section 6.3). */
export function isLocalHost(host: string): boolean {
  const name =
    /[/?#@\\\s]/.test(host) || !URL.canParse(`http://${host}`) ? '' : new URL(`http://${host}`).hostname;
  return name === 'localhost' || name.endsWith('.localhost') || isIP(name.replace(/^\[|\]$/g, '')) !== 0;
}
