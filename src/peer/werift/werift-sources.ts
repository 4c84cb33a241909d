import { isIPv6 } from 'node:net';

import { type Address, asKnownConnection } from './werift-ice-connection.js';

/** RFC 7983 section 7: what begins with less is STUN, which has an integrity check of its own. */
const FIRST_OF_OTHERS = 4;

interface Receiver {
  /** Only of sockets: a relay lets nobody through whom it was not told of. */
  datagramReceived?: (data: Buffer, from: Address) => void;
}

/**
 * Takes nothing but STUN from an address that is in no candidate pair: werift hands on what anybody sends to its sockets
 * (0.24.4), so that a stranger would need to know no more than a port.
 *
 * @param connection - of a werift `RTCIceTransport`, before it gathers
 * @throws StreamKitError `internal` if werift is not as it is known here
 */
export function admitKnownSources(connection: unknown): void {
  const ice = asKnownConnection(connection);
  /** The way of before an ICE restart, which is good until there is another. */
  let before: Address | undefined;
  const restart = ice.restart.bind(ice);
  ice.restart = () => {
    before = ice.nominated?.remoteAddr ?? before;
    return restart();
  };
  const isKnown = (from: Address): boolean =>
    [ice.nominated?.remoteAddr, before].some((known) => known !== undefined && isSame(known, from)) ||
    ice.candidatePairs.some(({ remoteAddr }) => isSame(remoteAddr, from));
  const ensureProtocol = ice.ensureProtocol.bind(ice);
  ice.ensureProtocol = (protocol) => {
    ensureProtocol(protocol);
    const receiver = protocol as Receiver;
    const receive = receiver.datagramReceived?.bind(receiver);
    if (receive === undefined) return;
    receiver.datagramReceived = (data, from) => {
      if ((data[0] ?? 0) < FIRST_OF_OTHERS || isKnown(from)) receive(data, from);
    };
  };
}

function isSame(one: Address, other: Address): boolean {
  return one[1] === other[1] && (one[0] === other[0] || canonical(one[0]) === canonical(other[0]));
}

/** A candidate may spell an IPv6 address in another way than the system. */
function canonical(host: string): string {
  const [address = '', zone = ''] = host.split('%');
  return isIPv6(address) ? `${new URL(`http://[${address}]`).hostname}%${zone}` : host;
}
