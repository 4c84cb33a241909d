import { isIP } from 'node:net';

import { aBoolean, badOption, listOf, oneOf } from './option-checks.js';
import { option, type OptionsOf, type ResolvedOptionsOf, tableCheck } from './option-definition.js';

const TARGET_POLICY = {
  /**
   * Of pages. Without `http` nothing that a page loads goes without TLS either, WebSockets included. Default `http` and
   * `https`.
   */
  schemes: option<readonly ('http' | 'https')[]>(listOf(oneOf('http', 'https')), ['http', 'https']),
  /** Only these hosts, on every port: `example.com`, or `*.example.com` for everything below it. Default: all. */
  allowHosts: option<readonly string[]>(listOf(hostPattern)),
  /**
   * Never these hosts, whatever `allowHosts` says. A host is known by its name: another name of the same address, or
   * the address itself, is another host. Default none.
   */
  denyHosts: option<readonly string[]>(listOf(hostPattern), []),
  /**
   * Whether addresses that are not of the public internet may be reached: loopback, private networks, link-local
   * addresses with the metadata services of clouds, and the like; and, also where they are public, the addresses of
   * this machine's own interfaces. A function decides one by one. Default false.
   */
  allowPrivateAddresses: option<boolean | ((address: string, port: number) => boolean)>(
    aBooleanOrFunction,
    false,
  ),
};

/** What a rendered page may reach: itself, its frames and workers, whatever they load, and every redirect. */
export interface TargetPolicyOptions extends OptionsOf<typeof TARGET_POLICY> {}

/** {@link TargetPolicyOptions} with defaults filled in. */
export type TargetPolicy = ResolvedOptionsOf<typeof TARGET_POLICY>;

/** @throws StreamKitError `bad_option`. */
export const targetPolicyOptions = tableCheck(TARGET_POLICY);

/** What holds without the option. */
export const DEFAULT_TARGET_POLICY = targetPolicyOptions({}, 'targetPolicy');

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

function aBooleanOrFunction(
  value: unknown,
  name: string,
): boolean | ((address: string, port: number) => boolean) {
  return typeof value === 'function'
    ? (value as (address: string, port: number) => boolean)
    : aBoolean(value, name);
}
