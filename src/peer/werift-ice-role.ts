import { CandidatePairState, type Message } from 'werift';

import { type Address, asKnownConnection } from './werift-ice-connection.js';

/**
 * Makes an ICE connection the controlled side, whichever role werift gives it for having offered. Roles are still
 * exchanged where both sides claim the same one (RFC 8445 section 7.3.1.1).
 *
 * Of several pairs that the viewer nominates, the last one counts, as libwebrtc means it: it nominates the pair on which
 * it sends, and another when that has become better. werift would hold on to the first (0.24.4).
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
    set: () => undefined,
  });
  const take = ice.checkIncoming.bind(ice);
  ice.checkIncoming = (message: Message, [host, port]: Address, protocol: unknown) => {
    take(message, [host, port], protocol);
    const { nominated } = ice;
    if (ice.iceControlling || nominated === undefined || !message.attributesKeys.includes('USE-CANDIDATE')) {
      return;
    }
    const pair = ice.candidatePairs.find(
      ({ protocol: own, remoteAddr }) => own === protocol && remoteAddr[0] === host && remoteAddr[1] === port,
    );
    const follows =
      pair !== undefined &&
      pair !== nominated &&
      pair.state === CandidatePairState.SUCCEEDED &&
      // Media that began on a relay stays there, and the other way round.
      pair.protocol.type === nominated.protocol.type;
    if (!follows) {
      return;
    }
    nominated.nominated = false;
    pair.nominated = true;
    ice.nominated = pair;
    ice.queryConsent();
  };
}
