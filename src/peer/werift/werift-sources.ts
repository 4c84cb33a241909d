import { classes, parseMessage } from 'werift';

import { canonicalAddress } from '../../base/canonical-address.js';
import { type Address, asKnownConnection } from './werift-ice-connection.js';

/** RFC 8489 section 14. */
const HEADER_BYTES = 20;
const ATTRIBUTE = { messageIntegrity: 0x0008, messageIntegritySha256: 0x001c, fingerprint: 0x8028 } as const;
const AFTER_INTEGRITY: ReadonlySet<number> = new Set([
  ATTRIBUTE.messageIntegritySha256,
  ATTRIBUTE.fingerprint,
]);
/** RFC 7983 section 7: what begins with less is STUN. */
const FIRST_OF_OTHERS = 4;

type Receive = (data: Buffer, from: Address) => void;

/** What takes datagrams in a socket and in a relay. A relay lets everybody through who has the address of a viewer. */
interface Receiver {
  datagramReceived?: Receive;
  handleStunMessage?: Receive;
}

/**
 * Takes only STUN requests that are signed with our password (RFC 8445 section 7.3), and of everything but STUN only what comes
 * from an address in a candidate pair. werift takes what anybody sends to its sockets (0.24.4): a stranger who knows no more
 * than a port would be answered, could change our role and could send records of DTLS. Answers it checks itself.
 *
 * @param connection - of a werift `RTCIceTransport`, before it gathers
 * @param where - a shared port looks at what comes in on it itself
 * @throws StreamKitError `internal` if werift is not as it is known here
 */
export function admitSources(connection: unknown, where: 'everywhere' | 'on relays'): void {
  const names =
    where === 'everywhere'
      ? (['datagramReceived', 'handleStunMessage'] as const)
      : (['handleStunMessage'] as const);
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
  const isSigned = (data: Buffer): boolean => {
    try {
      const message = parseMessage(data);
      if (message?.messageClass !== classes.REQUEST) return message !== undefined;
      const username: unknown = message.getAttributeValue('USERNAME');
      const fragment = typeof username === 'string' ? (username.split(':')[0] ?? '') : '';
      const password = Object.hasOwn(ice.userHistory, fragment) ? ice.userHistory[fragment] : undefined;
      return (
        password !== undefined &&
        endsWithIntegrity(data) &&
        parseMessage(data, Buffer.from(password, 'utf8')) !== undefined
      );
    } catch {
      return false;
    }
  };
  const ensureProtocol = ice.ensureProtocol.bind(ice);
  ice.ensureProtocol = (protocol) => {
    ensureProtocol(protocol);
    const receiver = protocol as Receiver;
    for (const name of names) {
      const receive = receiver[name]?.bind(receiver);
      if (receive === undefined) continue;
      receiver[name] = (data, from) => {
        const isStun = (data[0] ?? 0) < FIRST_OF_OTHERS;
        if (isStun ? isSigned(data) : isKnown(from)) receive(data, from);
      };
    }
  };
}

/**
 * Nothing follows the signature that it does not cover (RFC 8489 section 14.5): werift would take that too, in place of what is
 * signed.
 */
function endsWithIntegrity(data: Buffer): boolean {
  let isCovered = true;
  for (let at = HEADER_BYTES; at + 4 <= data.length;) {
    const type = data.readUInt16BE(at);
    if (!isCovered && !AFTER_INTEGRITY.has(type)) return false;
    if (type === ATTRIBUTE.messageIntegrity) isCovered = false;
    at += 4 + Math.ceil(data.readUInt16BE(at + 2) / 4) * 4;
  }
  return !isCovered;
}

function isSame(one: Address, other: Address): boolean {
  return (
    one[1] === other[1] && (one[0] === other[0] || canonicalAddress(one[0]) === canonicalAddress(other[0]))
  );
}
