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
import { isPublicAddress } from './public-address.js';

/** What a rendered page may reach: itself, its frames and workers, whatever they load, and every redirect. */
export interface TargetPolicyOptions {
  /** Of pages, and of what is loaded without TLS. Default `http` and `https`. */
  schemes?: readonly ('http' | 'https')[];
  /** Only these hosts: `example.com`, or `*.example.com` for everything below it. Default: all. */
  allowHosts?: readonly string[];
  /** Never these hosts, whatever `allowHosts` says. Default none. */
  denyHosts?: readonly string[];
  /**
   * Whether addresses that are not of the public internet may be reached: loopback, private networks, link-local
   * addresses with the metadata services of clouds, and the like. A function decides one by one. Default false.
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
  if (!policy.schemes.some((allowed) => allowed === scheme) || !permitsHost(policy, url.hostname))
    return false;
  // Names that are loopback by RFC 6761 section 6.3, whatever a resolver says.
  const isLoopback = /^(?:.*\.)?localhost\.?$/.test(url.hostname);
  const literal = isLoopback ? '127.0.0.1' : url.hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(literal) === 0 || permitsAddress(policy, literal, portOf(url));
}

/** @param hostname - as `URL.hostname` has it. */
export function permitsHost({ allowHosts, denyHosts }: TargetPolicy, hostname: string): boolean {
  const name = hostname.replace(/\.$/, '');
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
  if (allowPrivateAddresses === true || isPublicAddress(address)) return true;
  return typeof allowPrivateAddresses === 'function' && allowPrivateAddresses(address, port);
}

/** The port that a URL means. */
export function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
}

function hostPattern(value: unknown, name: string): string {
  const host = typeof value === 'string' ? value.toLowerCase() : '';
  const exact = host.replace(/^\*\./, '');
  // Names as the URL parser writes them: a pattern in another form would never match.
  const isName = !exact.includes('*') && URL.canParse(`http://${exact}`);
  if (!isName || new URL(`http://${exact}`).host !== exact) {
    throw badOption('host such as example.com or *.example.com', name, value);
  }
  return host;
}

function aBooleanOrFunction(value: unknown, name: string): TargetPolicy['allowPrivateAddresses'] {
  return typeof value === 'function'
    ? (value as (address: string, port: number) => boolean)
    : aBoolean(value, name);
}
