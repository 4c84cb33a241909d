import type { Container, RecordedFile, RecordingError } from '../protocol/recordings.js';
import type { VideoCodec } from '../render/encode/encoded-frame.js';
import type { MuxPacket } from './mux-packet.js';

/** @param part - from 1 on. */
export function recordingPath(pathPrefix: string, part: number, container: Container): string {
  return `${pathPrefix}${part}.${container}`;
}

export interface RecordingThreadData {
  /** See {@link recordingPath}. */
  readonly pathPrefix: string;
  readonly codec: VideoCodec;
  readonly hasAudio: boolean;
  /** Most bytes of all files together. */
  readonly maxBytes: number;
}

/** What the main thread tells the thread that writes. */
export type MuxRequest = { readonly type: 'packet'; readonly packet: MuxPacket } | { readonly type: 'stop' };

/** `takenBytes`: of packets, since the start; the rest is still on its way. */
export type RecordingReport =
  | { readonly type: 'progress'; readonly takenBytes: number; readonly files: readonly RecordedFile[] }
  | {
      readonly type: 'ended';
      readonly files: readonly RecordedFile[];
      readonly error: RecordingError | undefined;
      /** What FFmpeg or the system said; for the log. */
      readonly detail: string | undefined;
    };
