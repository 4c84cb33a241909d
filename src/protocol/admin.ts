import type { CallerRole, ViewerRole } from './rights.js';
import type { SessionUsage } from './session-usage.js';
import type { FaultState, RungMetadata, StreamSessionStatus } from './state-document.js';
import type { VideoCodec } from './video-codecs.js';

/** One viewer, as the operator sees it. */
export interface AdminViewer {
  readonly publicId: string;
  readonly role: ViewerRole;
  readonly callerId: string | null;
  readonly media: 'none' | 'negotiating' | 'connected' | 'closed';
}

/** One session, as the operator sees it. */
export interface AdminSession {
  readonly streamId: string;
  readonly kind: 'page' | 'terminal';
  readonly status: StreamSessionStatus;
  /** Empty for a terminal. */
  readonly targetUrl: string;
  /** ms since the epoch; null until the launch has begun. */
  readonly createdAt: number | null;
  /** Who created it; null where the caller has no name. */
  readonly owner: { readonly callerId: string | null; readonly role: CallerRole } | null;
  readonly controllerId: string | null;
  /** The first 100. */
  readonly viewers: readonly AdminViewer[];
  readonly viewerCount: number;
  /** Null for a terminal. */
  readonly video: {
    readonly codec: VideoCodec;
    readonly encoder: string | null;
    readonly width: number;
    readonly height: number;
    /** Measured. */
    readonly frameRate: number;
    /** Measured, of what is encoded. */
    readonly bitrateBps: number;
    readonly rungs: readonly RungMetadata[];
  } | null;
  /** Null for a terminal. */
  readonly usage: SessionUsage | null;
  /** What its processes take; null where the system does not report it. */
  readonly memoryBytes: number | null;
  readonly responsive: boolean;
  readonly restarts: number;
  readonly fault: FaultState | null;
  readonly error: string | null;
}

/** The sessions of one server, as its operator sees them. */
export interface AdminReport {
  /** When it was made, ms, by a clock that is never set. */
  readonly atMs: number;
  /** Sessions that could be taken now. */
  readonly room: number;
  readonly draining: boolean;
  /** The option `restart` permits it. */
  readonly mayRestart: boolean;
  /** Oldest first; those that failed a moment ago among them. */
  readonly sessions: readonly AdminSession[];
}
