import type { PeerReport } from './peer-report.js';
import type { BlockedPlayback } from '../media/playback.js';
import type { StreamSessionStatus } from '../../protocol/state-document.js';
import type { StreamError } from '../connection/stream-error.js';
import type { ConnectionStatus } from '../connection/stream-events.js';
import type { StreamStats } from './stream-stats.js';

/** All that the browser's end knows of a connection at one moment; what `diagnose` reads. Plain data. */
export interface ClientReport {
  readonly status: ConnectionStatus;
  /** Of this viewer, by which it finds itself in the server's diagnostics. */
  readonly publicId: string | undefined;
  readonly sessionStatus: StreamSessionStatus | undefined;
  /** Why the session failed, in words. */
  readonly sessionError: string | undefined;
  /** The last error since the connection stood. */
  readonly error: { readonly code: string; readonly status: number; readonly message: string } | undefined;
  /** What the browser does not play without a gesture. */
  readonly blocked: BlockedPlayback | undefined;
  /** Undefined where there is no peer (yet). */
  readonly peer: PeerReport | undefined;
  readonly stats: StreamStats;
}

/** An error as plain data. */
export function reportedError(error: StreamError | undefined): ClientReport['error'] {
  return error && { code: error.code, status: error.status, message: error.message };
}
