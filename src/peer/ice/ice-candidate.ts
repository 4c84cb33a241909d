import { isIP } from 'node:net';

import { StreamKitError } from '../../base/errors.js';
import type { IceCandidateInit } from '../viewer-peer.js';

const MAX_CANDIDATE_CHARACTERS = 1024;
// RFC 8839 section 5.1: foundation, component, transport, priority, address, port, type, then pairs.
const CANDIDATE =
  /^(?:a=)?candidate:([A-Za-z0-9+/]{1,32}) (\d{1,3}) ([A-Za-z]{1,8}) (\d{1,10}) ([^\s]{1,256}) (\d{1,5}) typ (host|srflx|prflx|relay)(?: [\x21-\x7e ]*)?$/;

/**
 * Reads a viewer's candidate and writes it anew with only what a check needs. In particular it loses its generation:
 * werift compares that with its own count of ICE restarts, which a browser does not share.
 *
 * @returns undefined for a candidate that is well formed but of no use here: another component, TCP, a host name, or an
 * address with a zone, which names an interface of the viewer's machine. Host names are mostly mDNS names: we learn the
 * address behind one from the viewer's own checks.
 * @throws StreamKitError `unprocessable`
 */
export function readCandidate(candidate: string): string | undefined {
  const match = candidate.length <= MAX_CANDIDATE_CHARACTERS ? CANDIDATE.exec(candidate.trim()) : null;
  if (match === null) {
    throw new StreamKitError('unprocessable', 'The ICE candidate is malformed');
  }
  const [, foundation = '', component, transport = '', priority, address = '', port, type = ''] = match;
  const portNumber = Number(port);
  if (portNumber > 0xffff || Number(priority) > 0xffff_ffff) {
    throw new StreamKitError('unprocessable', 'The ICE candidate has a port or priority out of range');
  }
  const usable =
    component === '1' &&
    transport.toLowerCase() === 'udp' &&
    portNumber > 0 &&
    isIP(address) !== 0 &&
    !address.includes('%') &&
    type !== 'prflx';
  return usable
    ? `candidate:${foundation} 1 udp ${Number(priority)} ${address} ${portNumber} typ ${type}`
    : undefined;
}

/**
 * Of the values of `a=candidate`, those that are of use here; whatever else a client has sent is passed over.
 *
 * @param limit - how many values are looked at.
 */
export function usableCandidates(values: readonly string[], limit: number): string[] {
  return values.slice(0, limit).flatMap((value) => {
    try {
      return readCandidate(`candidate:${value}`) ?? [];
    } catch {
      return [];
    }
  });
}

/**
 * What a viewer is told of a candidate of ours. Where addresses are announced (1:1 NAT), each one of its family stands in
 * for the local address of a host candidate, which is not told; a transport address is told once, for the sockets of several
 * interfaces may have one port. The related address, which no check needs, is hidden: it is a local one.
 *
 * @param announced - transport addresses that have been announced since the offer; added to.
 */
export function announceCandidate(
  candidate: IceCandidateInit,
  announcedAddresses: readonly string[],
  announced: Set<string>,
): IceCandidateInit[] {
  const text = candidate.candidate ?? '';
  const fields = text.split(' ');
  if (announcedAddresses.length === 0 || fields[7] !== 'host') {
    return [{ ...candidate, candidate: hideRelatedAddress(text) }];
  }
  const family = isIP(fields[4] ?? '');
  return announcedAddresses.flatMap((address) => {
    const transportAddress = `${fields[2]} ${address} ${fields[5]}`;
    if (isIP(address) !== family || announced.has(transportAddress)) {
      return [];
    }
    announced.add(transportAddress);
    return [{ ...candidate, candidate: fields.map((field, i) => (i === 4 ? address : field)).join(' ') }];
  });
}

/** RFC 8839 section 5.1: for privacy it may be the unspecified address, with port 9. */
function hideRelatedAddress(candidate: string): string {
  return candidate.replace(
    / raddr (\S+) rport \d+/,
    (_, address: string) => ` raddr ${isIP(address) === 6 ? '::' : '0.0.0.0'} rport 9`,
  );
}
