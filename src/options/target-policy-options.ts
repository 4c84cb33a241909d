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

function hostPattern(value: unknown, name: string): string {
  const host = typeof value === 'string' ? value.toLowerCase() : '';
  const exact = host.replace(/^\*\./, '');
  // Names as the URL parser writes them, without a port or the dot of the root: a pattern in another form would never
  // match, and a list of those to deny would deny nothing.
  const isName = !exact.includes('*') && !exact.endsWith('.') && URL.canParse(`http://${exact}`);
  const parsed = isName ? new URL(`http://${exact}`) : undefined;
  const isBelowAddress =
    parsed !== undefined && exact !== host && isIP(parsed.hostname.replace(/^\[(.*)\]$/, '$1')) !== 0;
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
