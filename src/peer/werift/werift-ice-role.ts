import { CandidatePairState, type Message } from 'werift';

import { type Address, asKnownConnection, type CandidatePairInternals } from './werift-ice-connection.js';

/**
 * Makes an ICE connection the controlled side, whichever role werift gives it for having offered. Roles are still
 * exchanged where both sides claim the same one (RFC 8445 section 7.3.1.1).
 *
 * Of several pairs that the viewer nominates, the last one counts, as libwebrtc means it: it nominates the pair on which
 * it sends, and another when that has become better. werift would hold on to the first (0.24.4). As with the native
 * plane, whose media goes where the viewer wants it, a pair counts that has answered us, and what was sent under the
 * credentials of before an ICE restart does not.
 *
 * @param connection - of a werift `RTCIceTransport`.
 * @throws StreamKitError `internal` where werift is not as it is known here.
 */
export function takeControlledRole(connection: unknown): void {
  const ice = asKnownConnection(connection);
  ice.switchRole(false);
  Object.defineProperty(ice, 'iceControlling', {
    configurable: true,
    get: () => ice._iceControlling,
    set: () => {
      // It would take the other role.
    },
  });
  let wanted: CandidatePairInternals | undefined;
  const follow = (): void => {
    const { nominated } = ice;
    if (wanted === undefined || nominated === undefined || wanted === nominated || ice.iceControlling) return;
    const follows =
      wanted.state === CandidatePairState.SUCCEEDED &&
      // A restart begins with none.
      ice.candidatePairs.includes(wanted) &&
      // Media that began on a relay stays there, and the other way round.
      wanted.protocol.type === nominated.protocol.type;
    if (!follows) return;
    nominated.nominated = false;
    wanted.nominated = true;
    ice.nominated = wanted;
    ice.queryConsent();
  };
  const complete = ice.checkComplete.bind(ice);
  ice.checkComplete = (pair) => {
    complete(pair);
    // The viewer may have asked for it before our own check has succeeded.
    if (pair === wanted) follow();
  };
  const take = ice.checkIncoming.bind(ice);
  ice.checkIncoming = (message: Message, [host, port]: Address, protocol: unknown) => {
    const usernames = message.getAttributeValue('USERNAME') as string;
    // It has been answered already.
    if (!usernames.startsWith(`${ice.localUsername}:`)) return;
    take(message, [host, port], protocol);
    if (!message.attributesKeys.includes('USE-CANDIDATE')) return;
    wanted = ice.candidatePairs.find(
      ({ protocol: own, remoteAddr }) => own === protocol && remoteAddr[0] === host && remoteAddr[1] === port,
    );
    follow();
  };
}
