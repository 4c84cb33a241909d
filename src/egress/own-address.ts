import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';

import { StreamKitError } from '../base/errors.js';

/** A process that may open no more files cannot ask. */
function interfaces(): ReturnType<typeof networkInterfaces> {
  try {
    return networkInterfaces();
  } catch (cause) {
    throw new StreamKitError('unavailable', 'The addresses of this machine could not be read', { cause });
  }
}

/**
 * Whether an address, in whatever form, is one of this machine's own; false for what is no address. Interfaces come and
 * go, so the system is asked each time, which takes less than 0.1 ms.
 *
 * @throws StreamKitError `unavailable` if the system does not say.
 */
export function isOwnAddress(address: string): boolean {
  const own = new BlockList();
  for (const addresses of Object.values(interfaces())) {
    for (const { address: candidate, family } of addresses ?? [])
      own.addAddress(candidate, family === 'IPv6' ? 'ipv6' : 'ipv4');
  }
  // The list knows IPv4-mapped addresses for what they are, and no zones (`%eth0`).
  return own.check(address.replace(/%.*$/, ''), address.includes(':') ? 'ipv6' : 'ipv4');
}
