import { isIPv4, isIPv6 } from 'node:net';

import { canonicalAddress } from '../base/canonical-address.js';
import type { AccessRequest } from './http-message.js';

/** What callers are counted under that cannot be told apart: together. */
const UNKNOWN = 'unknown';

/**
 * The address that a caller is counted under: an IPv4 address, or a /64 network of IPv6, since every host of that has all
 * of one.
 *
 * @param trustedProxies - how many proxies in front have added to `X-Forwarded-For`. What stands before their entries
 * came from the client, and may be anything.
 */
export function callerAddress(
  { headers, remoteAddress }: Pick<AccessRequest, 'headers' | 'remoteAddress'>,
  trustedProxies: number,
): string {
  const connection = networkOf(remoteAddress ?? '');
  if (trustedProxies === 0) return connection ?? UNKNOWN;
  return networkOf(forwardedAddresses(headers).at(-trustedProxies) ?? '') ?? connection ?? UNKNOWN;
}

/**
 * The whole address of a client; undefined where it is not known.
 *
 * @param trustedProxies - as in {@link callerAddress}.
 */
export function clientAddress(
  { headers, remoteAddress }: Pick<AccessRequest, 'headers' | 'remoteAddress'>,
  trustedProxies: number,
): string | undefined {
  const connection = plainAddress(remoteAddress ?? '');
  if (trustedProxies === 0) return connection;
  return plainAddress(forwardedAddresses(headers).at(-trustedProxies) ?? '') ?? connection;
}

/** The entries of `X-Forwarded-For` in order, without ports. With fewer than proxies the request came another way. */
export function forwardedAddresses(headers: AccessRequest['headers']): readonly string[] {
  const entries = [headers['x-forwarded-for'] ?? []].flat().join(',').split(',');
  return entries.map((entry) => withoutPort(entry.trim()));
}

/** Without a zone, and an IPv4 address on a socket that takes both families as such. */
function plainAddress(address: string): string | undefined {
  const [plain = ''] = address.split('%');
  const mapped = /^::ffff:([\d.]+)$/i.exec(plain)?.[1];
  if (mapped !== undefined && isIPv4(mapped)) return mapped;
  return isIPv4(plain) || isIPv6(plain) ? plain : undefined;
}

/** `1.2.3.4:5678` and `[2001:db8::1]:5678` are what some proxies write. */
function withoutPort(entry: string): string {
  return /^\[(.*)\](?::\d+)?$/.exec(entry)?.[1] ?? /^([\d.]+):\d+$/.exec(entry)?.[1] ?? entry;
}

function networkOf(address: string): string | undefined {
  const [plain = ''] = address.split('%');
  if (isIPv4(plain)) return plain;
  if (!isIPv6(plain)) return undefined;
  const [head = [], tail = []] = canonicalAddress(plain)
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(8 - head.length - tail.length).fill('0');
  const groups = [...head, ...zeros, ...tail];
  if (groups.join(':').startsWith('0:0:0:0:0:ffff:')) {
    // RFC 4291 section 2.5.5.2: an IPv4 address on a socket that takes both.
    const [high = 0, low = 0] = groups.slice(6).map((group) => Number.parseInt(group, 16));
    return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
  }
  return `${groups.slice(0, 4).join(':')}::/64`;
}
