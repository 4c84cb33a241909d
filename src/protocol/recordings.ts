import type { RecordingStatus } from './state-document.js';
import type { VideoCodec } from './video-codecs.js';

export type Container = 'mp4' | 'webm';

/** What the pictures of a codec are recorded into. */
export const CONTAINERS: Readonly<Record<VideoCodec, Container>> = {
  h264: 'mp4',
  vp8: 'webm',
  vp9: 'webm',
  av1: 'mp4',
  h265: 'mp4',
};

/** What a client may ask of a recording. */
export interface RecordingRequest {
  /** `mp4` holds H.264, AV1 or H.265, `webm` holds VP8 or VP9, both Opus. Default: that of the codec that is encoded already. */
  readonly format?: Container;
  /** Lower the server's own limits. */
  readonly maxBytes?: number;
  readonly maxDurationMs?: number;
}

/** One file of a recording: it begins where the picture changes its size or its encoder. */
export interface RecordedFile {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Bytes that can be read whatever happens. */
  readonly bytes: number;
  readonly durationMs: number;
}

/** Why a recording ended by itself; the message is written for the client. */
export interface RecordingError {
  readonly code: 'disk_full' | 'limit_reached' | 'recording_failed';
  readonly message: string;
}

/** What is told of a recording; it holds no path. */
export interface RecordingInfo {
  readonly recordingId: string;
  readonly streamId: string;
  readonly status: RecordingStatus;
  readonly format: Container;
  readonly videoCodec: VideoCodec;
  readonly audioCodec: 'opus' | null;
  /** When it was started, ms since the epoch. */
  readonly startTime: number;
  readonly durationMs: number;
  readonly bytes: number;
  /** Pictures that the disk was too slow for. */
  readonly framesDropped: number;
  /** One, and another for each change of the picture's size or encoder. */
  readonly files: readonly RecordedFile[];
  /** Why it ended by itself. */
  readonly error?: RecordingError;
}
