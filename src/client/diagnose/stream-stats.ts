import type { CandidatePaths } from './candidate-paths.js';

/** How the media is doing. An entry is undefined until the browser can tell it. */
export interface StreamStats {
  /** Video codec, such as `H264` or `VP8`. */
  codec: string | undefined;
  audioCodec: string | undefined;
  width: number | undefined;
  height: number | undefined;
  framesPerSecond: number | undefined;
  /** Received audio and video payload since the call before; undefined at the first call. */
  bitrateBps: number | undefined;
  /** Frames decoded too late or not at all, since the peer began. */
  framesDropped: number | undefined;
  packetsLost: number | undefined;
  /** Mean time a video frame waited in the jitter buffer since the call before. */
  jitterBufferMs: number | undefined;
  /** Round-trip time of the ICE pair in use. */
  rttMs: number | undefined;
  /** Mean time in the decoder of a video frame since the call before. */
  decodeMs: number | undefined;
  /**
   * From the capture of a picture on the server to its showing here, by the sender reports of both streams. An estimate:
   * the clocks are compared on the assumption that the network takes as long there as back. Undefined without sound.
   */
  playoutLatencyMs: number | undefined;
  /** Of the video since the call before; undefined at the first call. */
  recent: RecentStats | undefined;
  /** ICE candidates and checks. */
  paths: CandidatePaths;
}

/** Video between two calls. */
export interface RecentStats {
  intervalMs: number;
  packetsReceived: number;
  /** 0 to 1, of what was expected; retransmissions may have made up for it. */
  lossRatio: number;
  framesReceived: number;
  framesDecoded: number;
  framesDropped: number;
  nacksSent: number;
  plisSent: number;
  /** How long the picture stood still where it should not have. */
  freezeMs: number;
}
