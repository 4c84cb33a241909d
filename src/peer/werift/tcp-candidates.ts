import { Candidate, candidateFoundation, candidatePriority, CandidatePairState } from 'werift';

import type { Clock } from '../../base/clock.js';
import type { IceEndpoint } from '../../fanout/media-plane.js';
import { stunOver } from './shared-transport.js';
import type { CandidatePairInternals, IceConnectionInternals } from './werift-ice-connection.js';

/** A check over TCP is sent once; its answer may wait behind media. */
const RESPONSE_TIMEOUT_MS = 5000;
/**
 * Checks over TCP wait for so long for one over UDP to succeed: whichever pair works first gets the media, and a picture
 * that is late over UDP is not one that holds up those behind it.
 */
const HEAD_START_OF_UDP_MS = 250;

/**
 * Offers the TCP port of a local address (RFC 6544): one host candidate of the type `passive`, to which viewers connect. It
 * is paired with no candidate of the viewer's; pairs come from the checks that arrive by connections. werift's own TCP (0.24.4)
 * would open a port per viewer.
 *
 * @param address - has a socket of UDP already
 */
export function offerTcp(ice: IceConnectionInternals, endpoint: IceEndpoint, address: string): void {
  const socket = endpoint.openTcpSocket(address);
  if (socket === undefined) return;
  const protocol = stunOver(socket);
  const request = protocol.request.bind(protocol);
  protocol.request = (message, to, integrityKey, retransmissions, onRequestSent) =>
    request(
      message,
      to,
      integrityKey,
      retransmissions === 0 ? { retransmissions, responseTimeout: RESPONSE_TIMEOUT_MS } : retransmissions,
      onRequestSent,
    );
  protocol.localCandidate = new Candidate(
    candidateFoundation('host', 'tcp', address),
    1,
    'tcp',
    candidatePriority('host', { transport: 'tcp', tcptype: 'passive' }),
    address,
    socket.port,
    'host',
    undefined,
    undefined,
    'passive',
    ice.generation,
    ice.localUsername,
  );
  ice.ensureProtocol(protocol);
  ice.protocols.push(protocol);
  ice.appendLocalCandidate(protocol.localCandidate);
}

export function isTcp({ protocol }: Pick<CandidatePairInternals, 'protocol'>): boolean {
  return protocol.localCandidate?.transport === 'tcp';
}

/** Lets checks over TCP wait while the first pair is still to be found and we are to nominate it. */
export function preferUdp(ice: IceConnectionInternals, clock: Clock): void {
  const check = ice.checkStart.bind(ice);
  ice.checkStart = (pair) => {
    if (!isTcp(pair) || ice.nominated !== undefined || !ice.iceControlling) return check(pair);
    const { generation } = ice;
    // Nobody else is to start it.
    pair.updateState(CandidatePairState.IN_PROGRESS);
    clock.after(HEAD_START_OF_UDP_MS, () => {
      if (ice.state !== 'closed' && ice.generation === generation) check(pair);
    });
    return { awaitable: Promise.resolve() };
  };
}
