/** The parts of an RTCStats entry that are read here; the W3C's dictionaries are not all in TypeScript's DOM. */
export interface StatsEntry {
  id: string;
  type: string;
  /** ms since the Unix epoch. */
  timestamp: number;
  kind?: string;
  mimeType?: string;
  codecId?: string;
  bytesReceived?: number;
  /** With `retransmittedPacketsReceived` and `fecPacketsReceived`. */
  packetsReceived?: number;
  retransmittedPacketsReceived?: number;
  fecPacketsReceived?: number;
  packetsLost?: number;
  nackCount?: number;
  pliCount?: number;
  frameWidth?: number;
  frameHeight?: number;
  framesPerSecond?: number;
  framesReceived?: number;
  framesDecoded?: number;
  framesDropped?: number;
  /** Seconds, as all durations here. */
  totalDecodeTime?: number;
  totalFreezesDuration?: number;
  jitterBufferDelay?: number;
  jitterBufferEmittedCount?: number;
  /** ms since 1900 on the sender's clock. */
  estimatedPlayoutTimestamp?: number;
  /** Of `remote-outbound-rtp`: the entry of the stream here. */
  localId?: string;
  /** Of `remote-outbound-rtp`: ms since the Unix epoch on the sender's clock, when it sent its last report. */
  remoteTimestamp?: number;
  selectedCandidatePairId?: string;
  currentRoundTripTime?: number;
  localCandidateId?: string;
  remoteCandidateId?: string;
  requestsSent?: number;
  responsesReceived?: number;
  candidateType?: string;
  protocol?: string;
  relayProtocol?: string;
}
