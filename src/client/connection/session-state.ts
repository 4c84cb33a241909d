/** Life of a session: the first three in this order, then one of the last two. */
export type SessionStatus = 'initializing' | 'connecting' | 'streaming' | 'error' | 'terminated';

/** What the server says of the media in `metadata.video`. */
export interface VideoMetadata {
  codec: string;
  encoder: string;
  width: number;
  height: number;
  frameRate: number;
  bitrateBps: number;
}

/** `metadata` of a session; the page's own entries are under `page`. */
export interface SessionMetadata {
  viewers?: number;
  controllerId?: string | null;
  video?: VideoMetadata | null;
  audio?: { codec: string } | null;
  capture?: 'tab' | 'screencast';
  page?: Record<string, unknown>;
  [key: string]: unknown;
}

/** The document that the server keeps in step with every viewer by JSON patches. */
export interface StreamSessionState {
  streamId: string;
  status: SessionStatus;
  targetUrl: string;
  /** Whether at least one viewer's event stream is open. */
  clientConnected: boolean;
  instanceInfo?: {
    pid?: number;
    startTime: number;
    viewport: { width: number; height: number };
  };
  webrtc?: {
    signalingState: 'idle' | 'negotiating' | 'connected';
    iceCandidatesGathered?: boolean;
  };
  metadata?: SessionMetadata;
  /** The last error in words. */
  error?: string;
  /** ms since the Unix epoch. */
  lastActivityTime: number;
}
