import type { ConsumerStats } from './media-plane.js';

/** What a consumer's counters are before anything was sent. */
export function newConsumerStats(): ConsumerStats {
  return {
    packetsSent: 0,
    bytesSent: 0,
    packetsRetransmitted: 0,
    repairPacketsSent: 0,
    repairBytesSent: 0,
    framesDropped: 0,
    nacksReceived: 0,
    plisReceived: 0,
    firsReceived: 0,
    fractionLost: 0,
    packetsLost: 0,
    jitterMs: 0,
    rttMs: undefined,
  };
}
