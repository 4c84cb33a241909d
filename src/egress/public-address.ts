import { BlockList, isIPv4, isIPv6 } from 'node:net';

/**
 * IPv4 networks that are not reachable from everywhere: the special-purpose registry of RFC 6890, multicast, and the
 * address under which Azure serves its virtual machines alone. The metadata services of other clouds are among these:
 * 169.254.169.254, 100.100.100.200, 192.0.0.192 and, as a unique local address, fd00:ec2::254.
 */
const SPECIAL_IPV4 = networks('ipv4', [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]);

/**
 * Of IPv6 only 2000::/3 is given out (RFC 4291 section 2.4), which leaves out loopback, link-local and unique local
 * addresses, IPv4-mapped and IPv4-compatible ones (::/96) and NAT64 (64:ff9b::/96, 64:ff9b:1::/48).
 */
const GLOBAL_IPV6 = networks('ipv6', [['2000::', 3]]);

/** In it: IETF protocol assignments with Teredo, documentation, and 6to4, which has any IPv4 address inside. */
const SPECIAL_IPV6 = networks('ipv6', [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
]);

/** Whether an address is one of the public internet; false for what is no address. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !SPECIAL_IPV4.check(address, 'ipv4');
  // A zone (`%eth0`) belongs to link-local addresses alone.
  if (!isIPv6(address) || address.includes('%')) return false;
  return GLOBAL_IPV6.check(address, 'ipv6') && !SPECIAL_IPV6.check(address, 'ipv6');
}

function networks(family: 'ipv4' | 'ipv6', subnets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [network, prefixBits] of subnets) list.addSubnet(network, prefixBits, family);
  return list;
}
