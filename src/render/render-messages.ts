import type { LaunchOptions } from 'puppeteer';

import { ERROR_STATUS, type ErrorCode, StreamKitError } from '../base/errors.js';
import type { LogContext } from '../base/logger.js';
import type { PageAnswer, PageEvent } from '../protocol/page-events.js';
import type { TargetPolicy } from '../options/target-policy-options.js';
import type {
  CaptureFormat,
  CaptureKind,
  CaptureParameters,
  ProfileTarget,
  SnapshotParameters,
} from './capture/capture.js';
import type { BrowserVersion } from './capture/browser-version.js';
import type { PreloadCounts } from './capture/cache-preload.js';
import type { BrowserShape } from './capture/ready-browser.js';
import type { ProgramInput } from './capture/program-input.js';
import type { GamepadState, InputCommands, PageSize } from './capture/page-controls.js';
import type { EncoderReplacement, VideoEncoderStats } from './encode/encode-thread.js';
import type { BrowserRenderer } from './capture/renderer-watch.js';
import type { EncodingTarget, VideoStream } from '../protocol/video-stream.js';
import type { EncoderCandidate } from './encode/encoder-candidate.js';
import type { FrameRecord } from './encode/frame-record.js';
import type { RenderStream } from './packetize/media-slots.js';

/**
 * Descriptors that a session process is started with, besides the standard ones. The spares are media sockets of threads that
 * take the place of failed ones.
 */
export const SESSION_PROCESS_FDS = { control: 3, video: 4, audio: 5, taps: 6, spares: [7, 8] } as const;

/** Of one message from a session process, bytes. What a page may say is far shorter. */
export const MAX_REPORT_BYTES = 1024 * 1024;
/** Of one message to a session process, bytes; initial data of a page is the longest. */
export const MAX_ORDER_BYTES = 4 * 1024 * 1024;

/** How a session process begins. */
export interface OpenOrder {
  readonly parameters: CaptureParameters;
  readonly launchOptions: LaunchOptions;
  /** Of the browser that the process before this one launched. */
  readonly knownVersion: BrowserVersion | undefined;
  readonly capture: CaptureKind | 'auto';
  readonly launchTimeoutMs: number;
  readonly loadTimeoutMs: number;
  readonly hangTimeoutMs: number;
  readonly profileDirectory: string;
  /** A function in it is the host's: then `egressProxy` is too. */
  readonly targetPolicy: TargetPolicy;
  readonly egressProxy?: string | undefined;
  /** Media sockets are there. */
  readonly hasSockets: boolean;
  readonly lipSyncToleranceMs: number;
  readonly soundDtx: boolean;
}

/** How a session process gets ready for an {@link OpenOrder} that fits, before there is one. */
export interface PrepareOrder extends Omit<OpenOrder, 'parameters'> {
  readonly shape: BrowserShape;
  /** Pages that it loads into its caches. */
  readonly preload: readonly string[];
}

/** What a browser is that waits for its session. */
export interface PreparedBrowser {
  readonly executablePath: string;
  /** Undefined if the browser does not say. */
  readonly version: BrowserVersion | undefined;
  readonly browserPid: number;
  readonly preloads: PreloadCounts;
}

/** Orders that are answered by `done` or `failed` with the same id. */
export type AnsweredOrder =
  | ({ readonly type: 'open' } & OpenOrder)
  /** At most once, and before `open`. */
  | ({ readonly type: 'prepare' } & PrepareOrder)
  /** Whether the browser that was prepared still answers. */
  | { readonly type: 'check' }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'reconfigure'; readonly format: CaptureFormat }
  /** Is answered with the path of a local socket. */
  | { readonly type: 'openDebugger' }
  | { readonly type: 'snapshot'; readonly parameters: SnapshotParameters }
  | { readonly type: 'storeProfile'; readonly target: ProfileTarget }
  | {
      readonly type: 'input';
      readonly command: keyof InputCommands;
      readonly parameters: InputCommands[keyof InputCommands];
    }
  | { readonly type: 'fillClipboard'; readonly text: string };

/** What the host wants of a session process. */
export type RenderOrder =
  | (AnsweredOrder & { readonly id: number })
  | {
      readonly type: 'startVideo';
      readonly stream: VideoStream;
      readonly target: EncodingTarget;
      readonly candidates: readonly EncoderCandidate[];
    }
  | { readonly type: 'stopVideo'; readonly stream: VideoStream }
  /** Somebody waits for the picture of the page that is being opened. */
  | { readonly type: 'awaited' }
  | { readonly type: 'keyframe'; readonly stream: VideoStream }
  | { readonly type: 'refresh' }
  | { readonly type: 'target'; readonly stream: VideoStream; readonly target: EncodingTarget }
  | { readonly type: 'startAudio' }
  | { readonly type: 'stopAudio' }
  | { readonly type: 'tap'; readonly stream: RenderStream; readonly tapped: boolean }
  | { readonly type: 'viewerCount'; readonly count: number }
  | { readonly type: 'programInput'; readonly input: ProgramInput }
  | { readonly type: 'pageState'; readonly state: unknown }
  | { readonly type: 'toPage'; readonly message: unknown }
  | { readonly type: 'gamepads'; readonly gamepads: readonly (GamepadState | null)[] }
  /** Is answered by `pong`. */
  | { readonly type: 'ping' }
  | { readonly type: 'pageAnswer'; readonly answer: PageAnswer }
  | { readonly type: 'close' };

export interface OpenedRender {
  readonly kind: CaptureKind;
  /** Of the browser that runs: the next process need not look for it. */
  readonly executablePath: string;
  /** Undefined if the browser does not say. */
  readonly version: BrowserVersion | undefined;
  readonly browserPid: number;
  readonly hasAudio: boolean;
  readonly viewport: PageSize;
}

/** An error as it crosses the process; `code` is absent for one that is not ours. */
export interface ReportedError {
  readonly code?: ErrorCode;
  readonly message: string;
  /** For the log of the host alone. */
  readonly cause?: string;
}

/** What a session process reports. Everything in it may be a hostile page's. */
export type RenderReport =
  | { readonly type: 'ready' }
  /** The browser is there; the page is not loaded yet. */
  | { readonly type: 'launched' }
  | { readonly type: 'pong' }
  | { readonly type: 'done'; readonly id: number; readonly result?: unknown }
  | { readonly type: 'failed'; readonly id: number; readonly error: ReportedError }
  | {
      readonly type: 'metadata';
      readonly metadata: Readonly<Record<string, unknown>>;
      readonly changedAtUs: number;
    }
  | { readonly type: 'message'; readonly message: unknown }
  | { readonly type: 'cursor'; readonly css: string }
  | { readonly type: 'clipboard'; readonly text: string }
  | { readonly type: 'pageEvent'; readonly event: PageEvent }
  | { readonly type: 'stats'; readonly stats: VideoEncoderStats }
  | { readonly type: 'frames'; readonly stream: VideoStream; readonly frames: readonly FrameRecord[] }
  | { readonly type: 'keyframe'; readonly stream: VideoStream }
  | { readonly type: 'replaced'; readonly replacement: EncoderReplacement }
  | { readonly type: 'viewport'; readonly viewport: PageSize }
  | { readonly type: 'responsive'; readonly responsive: boolean }
  | { readonly type: 'fault'; readonly error: ReportedError }
  | { readonly type: 'sound'; readonly available: boolean }
  | { readonly type: 'renderer'; readonly renderer: BrowserRenderer }
  | { readonly type: 'egressRefused'; readonly errorType: string }
  | {
      readonly type: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly context: LogContext;
      readonly message: string;
    }
  | { readonly type: 'ended'; readonly error: ReportedError };

/** What is not ours may name paths: clients get a sentence of our own, and the log the rest. */
export function reportedError({ code, message, cause }: ReportedError): StreamKitError {
  if (code === undefined || !Object.hasOwn(ERROR_STATUS, code)) {
    return new StreamKitError('internal', 'The session process failed', { cause: new Error(message) });
  }
  return new StreamKitError(code, message, cause === undefined ? {} : { cause: new Error(cause) });
}
