import type { VideoCodec } from '../render/encode/encoded-frame.js';
import type { ConsumerStats } from '../fanout/media-plane.js';
import type { PeerPath } from '../peer/viewer-peer.js';
import type { EncodingDiagnostics } from './encoding-figures.js';
import type { RungDiagnostics } from './rung-reason.js';
import type { StreamSessionState } from '../protocol/state-document.js';

/** One viewer's share of one encoding: totals, and what its last receiver report said. */
export interface ConsumerDiagnostics extends Omit<ConsumerStats, 'rttMs'> {
  /** Null before the first report. */
  readonly rttMs: number | null;
}

/** What is sent to one viewer. */
export interface ShareDiagnostics {
  readonly videoCodec: VideoCodec;
  readonly rung: RungDiagnostics;
  readonly video: ConsumerDiagnostics;
  /** Null where it gets no sound. */
  readonly audio: ConsumerDiagnostics | null;
}

/** How one viewer's media connection stands. */
export interface MediaDiagnostics {
  readonly media: 'none' | 'negotiating' | 'connected' | 'closed';
  /** Null where it has no peer. */
  readonly ice: PeerPath | null;
  readonly videoCodec: VideoCodec | null;
  /** Which encoding it gets, and why. */
  readonly rung: RungDiagnostics | null;
  readonly video: ConsumerDiagnostics | null;
  readonly audio: ConsumerDiagnostics | null;
}

/** One viewer. It is known by its public id, for its id is a secret. */
export interface ViewerDiagnostics extends MediaDiagnostics {
  /** 1 for the first viewer of the session; each with an event stream is told its own in the signal `viewer`. */
  readonly publicId: string;
  /** Its event stream is open, or it is a player, which has none. */
  readonly attached: boolean;
}

export const NO_SHARE = { videoCodec: null, rung: null, video: null, audio: null } as const;
export const NO_MEDIA: MediaDiagnostics = { media: 'none', ice: null, ...NO_SHARE };

/** The answer to `GET /:id/diagnostics`. */
export interface SessionDiagnostics {
  readonly streamId: string;
  readonly status: StreamSessionState['status'];
  readonly capture: StreamSessionState['metadata']['capture'] | null;
  readonly mediaPlane: StreamSessionState['metadata']['mediaPlane'];
  readonly encodings: readonly EncodingDiagnostics[];
  readonly viewers: readonly ViewerDiagnostics[];
}

export function sessionDiagnostics(
  { streamId, status, metadata }: Readonly<StreamSessionState>,
  encodings: readonly EncodingDiagnostics[],
  viewers: readonly ViewerDiagnostics[],
): SessionDiagnostics {
  const { capture, mediaPlane } = metadata;
  return { streamId, status, capture: capture ?? null, mediaPlane, encodings, viewers };
}

export function consumerDiagnostics(stats: Readonly<ConsumerStats>): ConsumerDiagnostics {
  return { ...stats, rttMs: stats.rttMs ?? null };
}
