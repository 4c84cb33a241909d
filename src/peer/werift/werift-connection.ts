import { networkInterfaces } from 'node:os';
import { isIPv6 } from 'node:net';

import { RTCPeerConnection } from 'werift';
import type { Message } from 'werift';

import { offeredAudioCodecs, offeredHeaderExtensions, offeredVideoCodecs } from '../sdp/offered-media.js';
import type { ViewerPeerParameters } from '../viewer-peer.js';

/** More candidate pairs than this come from no honest viewer; each costs a check and memory. */
const MAX_CANDIDATE_PAIRS = 64;
/** Connectivity checks that are kept for before the answer. */
const MAX_EARLY_CHECKS = 256;
const LOOPBACK_ADDRESS = '127.0.0.1';

/** A peer connection of werift with the sections to offer, bound to `listenAddress` if that is given. */
export function openConnection(
  parameters: ViewerPeerParameters,
  listenAddress: string | undefined,
): RTCPeerConnection {
  const address = listenAddress ?? soleAddress();
  let earlyChecks = 0;
  let earlyChecksOf = '';
  const connection: RTCPeerConnection = new RTCPeerConnection({
    bundlePolicy: 'max-bundle',
    // Those of the viewer are asked by `IceServerGathering`.
    iceServers: [],
    codecs: { video: offeredVideoCodecs(parameters.videoCodecs), audio: offeredAudioCodecs() },
    headerExtensions: offeredHeaderExtensions(parameters.simulcast !== undefined),
    // werift always adds the addresses of the network interfaces unless it looks for neither family.
    ...(address === undefined
      ? {}
      : {
          iceUseIpv4: false,
          iceUseIpv6: false,
          iceAdditionalHostAddresses: [address],
          iceInterfaceAddresses: isIPv6(address) ? { udp6: address } : { udp4: address },
        }),
    // werift keeps a pair for every source of a binding request before it has authenticated any: RFC 8445 section
    // 7.3 leaves the bound to the agent.
    iceFilterStunResponse: (request, source) => {
      const [transport] = connection.iceTransports;
      const pairs = transport?.connection.candidatePairs ?? [];
      if (!isForUs(request)) {
        return false;
      }
      if (pairs.length === 0) {
        // Each ICE restart begins without pairs, and the viewer's checks come before its answer as they did the first time.
        const { usernameFragment = '' } = transport?.localParameters ?? {};
        earlyChecks = usernameFragment === earlyChecksOf ? earlyChecks + 1 : 1;
        earlyChecksOf = usernameFragment;
        return earlyChecks <= MAX_EARLY_CHECKS;
      }
      const known = pairs.some(({ remoteAddr: [host, port] }) => host === source[0] && port === source[1]);
      return known || pairs.length < MAX_CANDIDATE_PAIRS;
    },
  });
  const usernames = new Set<string>();
  const isForUs = (request: Message): boolean => {
    for (const { localParameters } of connection.iceTransports) {
      usernames.add(localParameters.usernameFragment);
    }
    // RFC 8445 section 7.2.2: the username of a check is ours, a colon, and the sender's. Those of before a restart
    // are still good for consent checks on the old pair.
    const username: unknown = request.getAttributeValue('USERNAME');
    return typeof username === 'string' && usernames.has(username.split(':')[0] ?? '');
  };
  return connection;
}

/** Where the machine has no other. */
export function soleAddress(): string | undefined {
  return hasExternalAddress() ? undefined : LOOPBACK_ADDRESS;
}

function hasExternalAddress(): boolean {
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some((address) => !address.internal),
  );
}
