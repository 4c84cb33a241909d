import type { ErrorCode } from './error-codes.js';
import type { VideoCodec } from './video-codecs.js';

/** How pictures are taken: from the tab itself, or by the DevTools screencast. */
export type CaptureKind = 'tab' | 'screencast';
export type RecordingStatus = 'starting' | 'recording' | 'finished' | 'failed';

/** Life of a session: the first three in this order, then one of the last two. */
export type StreamSessionStatus = 'initializing' | 'connecting' | 'streaming' | 'error' | 'terminated';

/** What the state document says of the pictures. */
export interface VideoMetadata {
  codec: VideoCodec;
  /** FFmpeg's name of the encoder; null until it runs. */
  encoder: string | null;
  /** Pixels. */
  width: number;
  height: number;
  /** Pictures a second, measured; 0 while nothing is encoded. */
  frameRate: number;
  /** Bits a second, measured; 0 while nothing is encoded. */
  bitrateBps: number;
  /** What is encoded to the codec, highest bit rate first; one size and rate more for each kind of link that needs it. */
  rungs: RungMetadata[];
}

/** What one encoding is to have, and how many WebRTC viewers get it. */
export interface RungMetadata {
  width: number;
  height: number;
  frameRate: number;
  bitrateBps: number;
  viewers: number;
}

/** What the state document says of one recording. */
export interface RecordingState {
  recordingId: string;
  status: RecordingStatus;
  format: 'mp4' | 'webm';
  /** When it was started, ms since the epoch. */
  startTime: number;
  /** One sentence on why it ended by itself. */
  error?: string;
  /** Its code, as in error answers; set with `error`. */
  errorCode?: ErrorCode;
}

/**
 * Where a publication stands. `retrying`: the endpoint or the connection failed, and it is tried again. `failed`: it is not. `ended`:
 * it was ended, or its session was.
 */
export type PublicationStatus = 'connecting' | 'live' | 'retrying' | 'failed' | 'ended';

/** What the state document says of one publication. */
export interface PublicationState {
  publicationId: string;
  status: PublicationStatus;
  /** When it was begun, ms since the epoch. */
  startTime: number;
  /** The code of what failed last, as in error answers, while it is not live. */
  errorCode?: ErrorCode;
}

/** What the state document says of the last fault of a page session that it went on after. */
export interface FaultState {
  /** As in errors: `browser_crashed`, `gpu_hung` and so on; `restart_requested` if a client asked for it. */
  code: ErrorCode | 'restart_requested';
  /** One sentence. */
  message: string;
  /** When, ms since the epoch. */
  time: number;
}

/** What the state document says of what draws a page. */
export interface RenderingState {
  /** As WebGL calls it, such as `ANGLE (NVIDIA, …)`, at most 200 characters; empty: it has no WebGL. */
  renderer: string;
  /** On the CPU. */
  software: boolean;
  /** On the CPU although the server draws pages on a GPU. */
  fallback: boolean;
}

/** What the state document says of a terminal. */
export interface TerminalMetadata {
  cols: number;
  rows: number;
  /** It is a tmux session that was there before, and stays. */
  attached: boolean;
  /**
   * With which its command ended, as a shell has it: 128 and the number of the signal where one ended it. Null while it
   * runs, and where it is not known.
   */
  exitStatus: number | null;
  /** The signal that the status stands for, such as `SIGKILL`. */
  exitSignal: string | null;
}

export interface SessionMetadata {
  /** Viewers with an open event stream. */
  viewers: number;
  controllerId: string | null;
  /** Null for a terminal. */
  video: VideoMetadata | null;
  /** Null where the session has no sound. */
  audio: { codec: 'opus' } | null;
  /** Null until the page is captured. */
  capture: CaptureKind | null;
  /** What draws the page. Null until that is known, and for a terminal. */
  rendering: RenderingState | null;
  /** The page answers. False: it has been busy for some seconds, or hangs. */
  responsive: boolean;
  /** How often the browser was started again. */
  restarts: number;
  /** Null while there was none. */
  fault: FaultState | null;
  /** The latest recordings, oldest first, once there was one. */
  recordings?: RecordingState[];
  /** The publications, oldest first, once there was one. */
  publications?: PublicationState[];
  /** What sends media to the viewers: the addon, or JavaScript. */
  mediaPlane: 'native' | 'werift';
  /** What the page itself set. */
  page: Record<string, unknown>;
  /** Of a terminal. */
  terminal?: TerminalMetadata;
}

/** The state document of one session, from which patches are computed. */
export interface StreamSessionState {
  streamId: string;
  status: StreamSessionStatus;
  /** Empty for a terminal. */
  targetUrl: string;
  /** At least one event stream is open. */
  clientConnected: boolean;
  instanceInfo?: {
    /** Process id of the browser, once it runs. */
    pid?: number;
    /** When the launch began, ms since the epoch. */
    startTime: number;
    /** Size of the page in CSS pixels. */
    viewport: { width: number; height: number };
  };
  webrtc?: {
    signalingState: 'idle' | 'negotiating' | 'connected';
    iceCandidatesGathered?: boolean;
  };
  metadata: SessionMetadata;
  /** One sentence for the user; set with status `error`. */
  error?: string;
  /** Its code, as in error answers; set with `error`. */
  errorCode?: ErrorCode;
  /** Last request or viewer activity, ms since the epoch, to within ten seconds. */
  lastActivityTime: number;
}
