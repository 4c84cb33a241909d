import type { SessionProfile } from './profiles.js';

/** What a session has used since it was created. */
export interface SessionUsage {
  /** How long it has lived, ms. */
  readonly durationMs: number;
  /**
   * CPU time of the browser, capture and encoders, of this and of earlier starts, to within five seconds. Null where the system does
   * not report it.
   */
  readonly cpuSeconds: number | null;
  /**
   * Time of graphics processors. Null: it is not known. No driver reports it per session yet, so at present it is always null.
   */
  readonly gpuSeconds: number | null;
  /** Media that was sent to viewers, over WebRTC and WebSockets, without headers and retransmissions. */
  readonly bytesSent: number;
  /** The time of all viewers together: two that watch for a minute are two. */
  readonly viewerMinutes: number;
  /** Pictures that were encoded, for all codecs and sizes together. */
  readonly framesEncoded: number;
}

/** What a session may use before it ends with `budget_exceeded`. */
export interface SessionBudget {
  /** ms, 1000–2147483647. */
  readonly maxDurationMs?: number;
  /** A bound of `bytesSent`, 1–9007199254740991; looked at every five seconds. */
  readonly maxBytes?: number;
  /** A bound of `cpuSeconds`, 1–1000000000; looked at every five seconds. */
  readonly maxCpuSeconds?: number;
}

/** The answer to `DELETE /:streamId` for a client that prefers one. */
export interface EndedSession {
  readonly streamId: string;
  readonly usage: SessionUsage;
  /** Absent where it has none. */
  readonly profile?: SessionProfile;
}
