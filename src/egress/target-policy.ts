import { isIP } from 'node:net';

import type { TargetPolicy } from '../options/target-policy-options.js';
import { isOwnAddress } from './own-address.js';
import { isPublicAddress } from './public-address.js';

/**
 * Whether a page may be asked for, as far as can be told without resolving its name.
 *
 * @param url - its host is in the one form that the WHATWG URL parser gives all forms of an address.
 */
export function permitsUrl(policy: TargetPolicy, url: URL): boolean {
  const scheme = url.protocol.slice(0, -1);
  if (!policy.schemes.some((allowed) => allowed === scheme) || !permitsHost(policy, url)) return false;
  // Names that are loopback by RFC 6761 section 6.3, whatever a resolver says.
  const isLoopback = /^(?:.*\.)?localhost\.*$/.test(url.hostname);
  const literal = isLoopback ? '127.0.0.1' : hostOf(url);
  return isIP(literal) === 0 || permitsAddress(policy, literal, portOf(url));
}

/** Whether the lists let a URL's host through. */
export function permitsHost({ allowHosts, denyHosts }: TargetPolicy, url: URL): boolean {
  // A name is the same with the dot of the root behind it.
  const name = url.hostname.replace(/\.+$/, '');
  const matches = (pattern: string): boolean =>
    pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern;
  return !denyHosts.some(matches) && (allowHosts?.some(matches) ?? true);
}

/** @param address - that is going to be connected to. */
export function permitsAddress(
  { allowPrivateAddresses }: TargetPolicy,
  address: string,
  port: number,
): boolean {
  if (allowPrivateAddresses === true || (isPublicAddress(address) && !isOwnAddress(address))) return true;
  return typeof allowPrivateAddresses === 'function' && allowPrivateAddresses(address, port);
}

/** The name or the address that a URL means, as resolvers and sockets take it. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

/** The port that a URL means. */
export function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
}
