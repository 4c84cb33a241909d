import { isIP } from 'node:net';

import {
  aBoolean,
  anObject,
  badOption,
  listOf,
  oneOf,
  refuseUnknownNames,
  type OptionCheck,
} from './option-checks.js';
import { isOwnAddress } from './own-address.js';
import { isPublicAddress } from './public-address.js';

/** What a rendered page may reach: itself, its frames and workers, whatever they load, and every redirect. */
export interface TargetPolicyOptions {
  /**
   * Of pages. Without `http` nothing that a page loads goes without TLS either, WebSockets included. Default `http` and
   * `https`.
   */
  schemes?: readonly ('http' | 'https')[];
  /** Only these hosts, on every port: `example.com`, or `*.example.com` for everything below it. Default: all. */
  allowHosts?: readonly string[];
  /**
   * Never these hosts, whatever `allowHosts` says. A host is known by its name: another name of the same address, or
   * the address itself, is another host. Default none.
   */
  denyHosts?: readonly string[];
  /**
   * Whether addresses that are not of the public internet may be reached: loopback, private networks, link-local
   * addresses with the metadata services of clouds, and the like; and, also where they are public, the addresses of
   * this machine's own interfaces. A function decides one by one. Default false.
   */
  allowPrivateAddresses?: boolean | ((address: string, port: number) => boolean);
}

/** {@link TargetPolicyOptions} with defaults filled in. */
export interface TargetPolicy {
  readonly schemes: readonly ('http' | 'https')[];
  /** Undefined: all. */
  readonly allowHosts: readonly string[] | undefined;
  readonly denyHosts: readonly string[];
  readonly allowPrivateAddresses: boolean | ((address: string, port: number) => boolean);
}

const NAMES: readonly (keyof TargetPolicyOptions)[] = [
  'schemes',
  'allowHosts',
  'denyHosts',
  'allowPrivateAddresses',
];

/** What holds without the option. */
export const DEFAULT_TARGET_POLICY: TargetPolicy = Object.freeze({
  schemes: Object.freeze(['http', 'https'] as const),
  allowHosts: undefined,
  denyHosts: Object.freeze([]),
  allowPrivateAddresses: false,
});

/** @throws StreamKitError `bad_option`. */
export function targetPolicyOptions(value: unknown, name: string): TargetPolicy {
  const given = anObject(value, name);
  refuseUnknownNames(given, NAMES, name);
  const optional = <T>(key: keyof TargetPolicyOptions, check: OptionCheck<T>): T | undefined =>
    given[key] === undefined ? undefined : check(given[key], `${name}.${key}`);
  return Object.freeze({
    schemes: optional('schemes', listOf(oneOf('http', 'https'))) ?? DEFAULT_TARGET_POLICY.schemes,
    allowHosts: optional('allowHosts', listOf(hostPattern)),
    denyHosts: optional('denyHosts', listOf(hostPattern)) ?? DEFAULT_TARGET_POLICY.denyHosts,
    allowPrivateAddresses: optional('allowPrivateAddresses', aBooleanOrFunction) ?? false,
  });
}

/** Whether there is anything that a page may not reach. */
export function restricts({ schemes, allowHosts, denyHosts, allowPrivateAddresses }: TargetPolicy): boolean {
  return (
    schemes.length < 2 || allowHosts !== undefined || denyHosts.length > 0 || allowPrivateAddresses !== true
  );
}

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

function hostPattern(value: unknown, name: string): string {
  const host = typeof value === 'string' ? value.toLowerCase() : '';
  const exact = host.replace(/^\*\./, '');
  // Names as the URL parser writes them, without a port or the dot of the root: a pattern in another form would never
  // match, and a list of those to deny would deny nothing.
  const isName = !exact.includes('*') && !exact.endsWith('.') && URL.canParse(`http://${exact}`);
  const parsed = isName ? new URL(`http://${exact}`) : undefined;
  const isBelowAddress = parsed !== undefined && exact !== host && isIP(hostOf(parsed)) !== 0;
  if (parsed?.hostname !== exact || isBelowAddress) {
    throw badOption('host such as example.com or *.example.com', name, value);
  }
  return host;
}

function aBooleanOrFunction(value: unknown, name: string): TargetPolicy['allowPrivateAddresses'] {
  return typeof value === 'function'
    ? (value as (address: string, port: number) => boolean)
    : aBoolean(value, name);
}
