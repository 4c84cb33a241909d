import jsonPatch from 'fast-json-patch';
import type { Operation } from 'fast-json-patch';

import type { ErrorCode } from '../base/errors.js';
import type { CaptureKind } from '../render/capture/capture.js';
import type { VideoEncoderStats } from '../render/encode/encode-thread.js';
import type { VideoCodec } from '../render/encode/encoded-frame.js';
import type { RecordingStatus } from '../recording/recording.js';

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
  /** The page answers. False: it has been busy for some seconds, or hangs. */
  responsive: boolean;
  /** How often the browser was started again. */
  restarts: number;
  /** Null while there was none. */
  fault: FaultState | null;
  /** The latest recordings, oldest first, once there was one. */
  recordings?: RecordingState[];
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
  /** Last request or viewer activity, ms since the epoch, to within ten seconds. */
  lastActivityTime: number;
}

/**
 * How far `lastActivityTime` may lie behind the last activity, ms. Activity alone must not make a patch every interval,
 * and the document must be what the patches come to.
 */
export const ACTIVITY_GRANULARITY_MS = 10_000;

/** The state document, and the copy of it that viewers have by now. */
export class SessionState {
  readonly #document: StreamSessionState;
  #published: StreamSessionState;
  #changed = false;

  constructor(initial: StreamSessionState) {
    this.#document = structuredClone(initial);
    this.#published = structuredClone(initial);
  }

  /** As it is now. */
  get document(): Readonly<StreamSessionState> {
    return this.#document;
  }

  /** As the patches taken so far describe it. */
  get published(): Readonly<StreamSessionState> {
    return this.#published;
  }

  /** Something may have changed since the last patch. */
  get changed(): boolean {
    return this.#changed;
  }

  update(change: (document: StreamSessionState) => void): void {
    change(this.#document);
    this.#changed = true;
  }

  /** Notes activity, unless what stands there is recent enough. */
  touch(wallMs: number): void {
    if (wallMs - this.#document.lastActivityTime < ACTIVITY_GRANULARITY_MS) return;
    this.#document.lastActivityTime = wallMs;
    this.#changed = true;
  }

  /** What changed since the last call, RFC 6902; empty when nothing did. */
  takePatch(): Operation[] {
    if (!this.#changed) return [];
    this.#changed = false;
    const operations = jsonPatch.compare(this.#published, this.#document);
    if (operations.length > 0) this.#published = structuredClone(this.#document);
    return operations;
  }
}

/**
 * A copy of what the page set, without the keys that a careful RFC 6902 client refuses to patch
 * (`__proto__`, `constructor/prototype`): one page must not make every viewer's document fail.
 */
export function patchableCopy(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value), (key, entry: unknown) => {
    if (key === '__proto__') return undefined;
    if (key === 'constructor' && typeof entry === 'object' && entry !== null && 'prototype' in entry) {
      return Object.fromEntries(Object.entries(entry).filter(([name]) => name !== 'prototype'));
    }
    return entry;
  }) as Record<string, unknown>;
}

/** What the state says of an encoder. Rates to a tenth and to a kilobit: finer digits would only make patches. */
export function videoMetadata(stats: VideoEncoderStats): VideoMetadata {
  const { codec, encoder, width, height } = stats;
  return {
    ...{ codec, encoder, width, height },
    frameRate: Math.round(stats.frameRate * 10) / 10,
    bitrateBps: Math.round(stats.bitrateBps / 1000) * 1000,
  };
}
