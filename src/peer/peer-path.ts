import type { PeerPath } from '../protocol/session-diagnostics.js';
import type { RTCIceTransport } from 'werift';

/** What werift's ICE tells of itself. */
export function peerPath(state: string, { connection }: RTCIceTransport): PeerPath {
  const { nominated } = connection;
  if (nominated === undefined) return { state, pair: null };
  const { localCandidate, remoteCandidate } = nominated;
  const by = localCandidate.type === 'relay' ? 'relay' : localCandidate.transport === 'tcp' ? 'tcp' : 'udp';
  return { state, pair: { local: localCandidate.type, remote: remoteCandidate.type, protocol: by } };
}
