import { isIPv6 } from 'node:net';

/** One spelling for each IP address: peers spell an IPv6 address in several ways. Anything else stays as it is. */
export function canonicalAddress(address: string): string {
  const [plain = '', zone] = address.split('%');
  if (!isIPv6(plain)) return address;
  // The URL parser has one way to write it (RFC 5952), without leading zeros, and knows no zones.
  const canonical = new URL(`http://[${plain}]`).hostname.slice(1, -1);
  return zone === undefined ? canonical : `${canonical}%${zone}`;
}
