import type { AudioSource, VideoSource } from '../capture/capture.js';
import type { StreamKitError } from '../../base/errors.js';
import type { EncodedAudio, EncodedFrame, VideoCodec } from './encoded-frame.js';
import type { EncoderCandidate } from './encoder-candidate.js';
import type { FrameRecord } from './frame-record.js';
import type { PictureFormat } from './video-encoder.js';
import type { EncodingTarget, RungIndex, VideoStream } from '../../protocol/video-stream.js';

/** What one video encoder is doing, for the state document. */
export interface VideoEncoderStats {
  readonly codec: VideoCodec;
  readonly rung: RungIndex;
  /** FFmpeg's name of the encoder, for example `libx264`. */
  readonly encoder: string;
  /** Its index among the candidates that the stream was started with. */
  readonly candidate: number;
  /** Why it is not the one that comes first on this machine; absent: it is, or nobody has asked. The host's alone. */
  readonly encoderReason?: string | undefined;
  readonly width: number;
  readonly height: number;
  /** Measured over the last second. */
  readonly frameRate: number;
  readonly bitrateBps: number;
  /** Raw frames taken from the source since the start. */
  readonly framesRead: number;
  /** Raw frames dropped since the start because encoding was slower than capture. */
  readonly framesDropped: number;
}

/** An encoder broke, or did not open, and another one goes on in its place. */
export interface EncoderReplacement {
  readonly codec: VideoCodec;
  readonly rung: RungIndex;
  /** Their names. */
  readonly failed: string;
  readonly next: string;
  /** Index of the next one among the candidates that the stream was started with. */
  readonly candidate: number;
  /** One sentence, for a log. */
  readonly reason: string;
}

export interface VideoEncodeListener {
  /** Only of streams that are tapped. */
  onEncodedFrame(frame: EncodedFrame): void;
  /** A keyframe was written to the media socket; not without one. */
  onKeyframe(stream: VideoStream): void;
  /** Frames that were written to the media socket since the last call; about once per second, not without one. */
  onFrames(stream: VideoStream, frames: readonly FrameRecord[]): void;
  /** About once per second while encoding. */
  onStats(stats: VideoEncoderStats): void;
  /** What comes next is a keyframe of the other encoder. */
  onEncoderReplaced(replacement: EncoderReplacement): void;
  /** The thread is gone; nothing more comes. At most once. */
  onError(error: StreamKitError): void;
}

/** A thread that reads raw frames of one source and encodes each once per stream. */
export interface VideoEncodeThread {
  /** Starts encoding `stream` with the first of `candidates` that works, beginning with a keyframe; the last known picture is encoded at once. */
  start(stream: VideoStream, target: EncodingTarget, candidates: readonly EncoderCandidate[]): void;
  /** Stops encoding `stream`. With none left, the source is not read. */
  stop(stream: VideoStream): void;
  /** The next picture is a keyframe; on a still page the last picture is encoded again at once. */
  requestKeyframe(stream: VideoStream): void;
  /** Encodes the last picture again at once, to every stream that is started; it costs next to no bits. */
  refresh(): void;
  /** Another size costs a keyframe. */
  setTarget(stream: VideoStream, target: EncodingTarget): void;
  /** While tapped, the stream's frames also come to the listener. */
  tap(stream: VideoStream, tapped: boolean): void;
  /** The source gives pictures of another size or rate from now on; each stream goes on with a keyframe. */
  reconfigure(format: PictureFormat): void;
  /** Idempotent; resolves when the thread has ended. */
  close(): Promise<void>;
  /** Ends it without waiting, though it hangs: nothing more comes of it. */
  abandon(): void;
}

export interface AudioEncodeListener {
  /** Only while tapped. */
  onEncodedAudio(packet: EncodedAudio): void;
  /** Packets encoded since the last call; about once per second. */
  onPackets(count: number): void;
  onError(error: StreamKitError): void;
}

export interface AudioEncodeThread {
  start(): void;
  stop(): void;
  /** While tapped, packets also come to the listener. */
  tap(tapped: boolean): void;
  /** Idempotent; resolves when the thread has ended. */
  close(): Promise<void>;
  /** Ends it without waiting, though it hangs: nothing more comes of it. */
  abandon(): void;
}

export interface VideoEncodeParameters {
  readonly source: VideoSource;
  readonly frameRate: number;
  /** Descriptor of the media socket that the thread writes payloads to and owns; undefined: there is none. */
  readonly socketFd: number | undefined;
}

export interface AudioEncodeParameters {
  readonly source: AudioSource;
  /** As in {@link VideoEncodeParameters}. */
  readonly socketFd: number | undefined;
  /** Of what goes to the media socket; see the option `lipSync`. */
  readonly lipSyncToleranceMs: number;
  /** See the option `soundDtx`. */
  readonly dtx: boolean;
}

export type OpenVideoEncodeThread = (
  parameters: VideoEncodeParameters,
  listener: VideoEncodeListener,
) => VideoEncodeThread;

export type OpenAudioEncodeThread = (
  parameters: AudioEncodeParameters,
  listener: AudioEncodeListener,
) => AudioEncodeThread;
