import type { EncodedAudio, EncodedFrame, VideoCodec } from '../render/encode/encoded-frame.js';

/** Takes what a session encodes. None of these may throw. */
export interface PacketSink {
  onEncodedFrame(frame: EncodedFrame): void;
  onEncodedAudio(packet: EncodedAudio): void;
  /** Nothing more comes. Resolves when what was taken is safe; the source is closed already. At most once. */
  onSourceEnded(): Promise<void>;
}

/** One share of what a session encodes. While it is open, its codec, the sound and the capture keep running. */
export interface PacketSource {
  readonly codec: VideoCodec;
  readonly hasAudio: boolean;
  /** The next picture is a keyframe. */
  requestKeyframe(): void;
  /** The last picture is encoded again: a still page gives none by itself. */
  refresh(): void;
  /** What the links of those carry who are sent these packets, bits/s; undefined: all that there is. Default: none is slow. */
  setLinkEstimates(bitratesBps: readonly (number | undefined)[]): void;
  /** Idempotent. */
  close(): void;
}

/**
 * Opens a share; packets come from now on, after a keyframe has been asked for.
 *
 * @throws StreamKitError as the session does.
 */
export type OpenPacketSource = (sink: PacketSink) => PacketSource;
