import type {
  ConsumerDiagnostics,
  EncodingDiagnostics,
  LayerDiagnostics,
  MediaDiagnostics,
  PublicationDiagnostics,
  RungDiagnostics,
  SessionDiagnostics,
  ViewerDiagnostics,
} from '../protocol/session-diagnostics.js';
import type { VideoCodec } from '../render/encode/encoded-frame.js';
import type { ConsumerStats } from '../fanout/media-plane.js';
import type { StreamSessionState } from '../protocol/state-document.js';

/** What is sent to one viewer. */
export interface ShareDiagnostics {
  readonly videoCodec: VideoCodec;
  readonly rung: RungDiagnostics;
  readonly video: ConsumerDiagnostics;
  /** Of a simulcast, the best first; then `rung` and `video` are those of the best that is sent. */
  readonly layers?: readonly LayerDiagnostics[];
  /** Null where it gets no sound. */
  readonly audio: ConsumerDiagnostics | null;
}

export const NO_SHARE = { videoCodec: null, rung: null, video: null, audio: null } as const;
export const NO_MEDIA: MediaDiagnostics = { media: 'none', ice: null, ...NO_SHARE };

/** Who says what becomes of the media. */
interface DiagnosedParts {
  readonly viewers: { diagnostics(): readonly ViewerDiagnostics[] };
  readonly publications: { diagnostics(): readonly PublicationDiagnostics[] };
}

export function sessionDiagnostics(
  { streamId, status, metadata }: Readonly<StreamSessionState>,
  encodings: readonly EncodingDiagnostics[],
  { viewers, publications }: DiagnosedParts,
): SessionDiagnostics {
  const { capture, rendering, mediaPlane } = metadata;
  return {
    streamId,
    status,
    capture: capture ?? null,
    rendering,
    mediaPlane,
    encodings,
    viewers: viewers.diagnostics(),
    publications: publications.diagnostics(),
  };
}

export function consumerDiagnostics(stats: Readonly<ConsumerStats>): ConsumerDiagnostics {
  const { bytesSent, repairBytesSent, rttMs } = stats;
  return { ...stats, repairShare: bytesSent === 0 ? 0 : repairBytesSent / bytesSent, rttMs: rttMs ?? null };
}
