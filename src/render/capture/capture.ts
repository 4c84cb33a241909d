import type { ProfileSource } from '../../profiles/profile-lease.js';
import type { UpstreamProxy } from '../../egress/upstream-proxy.js';
import type { ProgramInput } from './program-input.js';
import type { CaptureKind } from '../../protocol/state-document.js';
import type { MessagePort } from 'node:worker_threads';

import type { ResolvedPageOptions } from '../../options/page-options.js';
import type { ErrorCode, StreamKitError } from '../../base/errors.js';
import type { LogContext } from '../../base/logger.js';
import type { PageControls, PageControlsListener } from './page-controls.js';
import type { ColourMatrix } from './video-frame.js';

export type { CaptureKind } from '../../protocol/state-document.js';

/** What to render and how large. */
export interface CaptureParameters {
  readonly targetUrl: string;
  /** Size of the picture in pixels, even. The page's CSS viewport is this divided by `deviceScaleFactor`. */
  readonly width: number;
  readonly height: number;
  readonly deviceScaleFactor: number;
  /** Most frames a second. */
  readonly frameRate: number;
  readonly audio: boolean;
  /** What the page finds in `window.streamKit.initialData`; JSON. */
  readonly initialData: unknown;
  /** The world that the page finds itself in. Default: that of the machine. */
  readonly page?: ResolvedPageOptions;
  /** Default: none. */
  readonly upstreamProxy?: UpstreamProxy | undefined;
  /** Default: the page gets no files and gives none. */
  readonly files?: CaptureFiles;
  /** Whether images are told that the page copies. Default false. */
  readonly copiesImages?: boolean;
  /** What pages have stored earlier. Default: nothing. */
  readonly profile?: ProfileSource | undefined;
}

/** The archive that a profile is written to. */
export type ProfileTarget = Pick<ProfileSource, 'path' | 'key' | 'maxBytes'>;

/** The files that a page is given, and that it gives. */
export interface CaptureFiles {
  /** Of them alone; it may not be there yet. The host removes it, or a session process that has lost its host. */
  readonly directory: string;
  readonly uploads: boolean;
  readonly downloads: boolean;
  /** Largest file. */
  readonly maxBytes: number;
}

/** What can change of a capture while it runs. */
export type CaptureFormat = Pick<CaptureParameters, 'width' | 'height' | 'frameRate'>;

/** What is told of a capture that goes on. */
export interface CaptureWatchListener {
  /** Whether the page answers. */
  onResponsive(responsive: boolean): void;
  /** A part failed and is started again. */
  onFault(code: ErrorCode, message: string): void;
  /** Whether there is sound, which was there at first. */
  onSound(available: boolean): void;
}

/** What has been encoded so far, of all encodings; undefined: nothing of that kind is to be encoded. */
export interface EncodedCounts {
  readonly pictures: number | undefined;
  /** Packets. */
  readonly sound: number | undefined;
}

/** What flows back from a capture. */
export interface CaptureListener extends PageControlsListener, CaptureWatchListener {
  /** Asked once per second. */
  encoded?(): EncodedCounts | undefined;
  /** They are captured, but nothing of them is encoded. */
  onEncodingStalled?(what: 'pictures' | 'sound'): void;
  /** The page called `streamKit.setMetadata`: the whole merged object, at most 64 KiB of JSON; and when, monotonic µs. */
  onPageMetadata(metadata: Readonly<Record<string, unknown>>, changedAtUs: number): void;
  /** The page called `streamKit.send`: JSON of at most 64 KiB. */
  onPageMessage(message: unknown): void;
  /** The capture is over and nothing more will come: the browser crashed, hung or went away. At most once. */
  onEnded(error: StreamKitError): void;
}

/**
 * Where an encoding thread finds raw frames; it can be posted to a worker. `ring`: the shared file that the
 * capture page writes. `jpeg`: screencast frames, posted to `port` as `ScreencastFrame`.
 */
export type VideoSource =
  | {
      readonly kind: 'ring';
      readonly path: string;
      /** The file through which the reader tells which picture it is copying. */
      readonly creditsPath: string;
      readonly matrix: ColourMatrix;
      readonly width: number;
      readonly height: number;
    }
  | {
      readonly kind: 'jpeg';
      readonly port: MessagePort;
      readonly width: number;
      readonly height: number;
      /** Of the page: where it does not divide the size, the pictures are cut to what is to be shown. */
      readonly deviceScaleFactor: number;
    };

/** Where an encoding thread finds raw samples: the audio part of the same shared file. */
export interface AudioSource {
  readonly kind: 'ring';
  readonly path: string;
}

export interface SnapshotParameters {
  readonly format: 'png' | 'jpeg';
  /** Width of the picture in pixels; the height follows. Default: the width of the session. */
  readonly width?: number;
}

/** The page that is captured, whichever way. */
export interface CapturedPage {
  readonly browserPid: number;
  readonly controls: PageControls;
  /** Tells the page how many viewers there are. */
  setViewerCount(count: number): void;
  /**
   * Serves the DevTools protocol to clients beside us.
   *
   * @returns the path of a local socket that takes WebSockets.
   * @throws StreamKitError `at_capacity`, `unavailable`.
   */
  openDebugger(): Promise<string>;
  /** What becomes of input of DevTools clients from now on. At first it passes. */
  setProgramInput(input: ProgramInput): void;
  /** Delivers the state to the page's `streamKit.on('state')`, and to documents to come. */
  setPageState(state: unknown): void;
  /** Delivers a message to the page's `streamKit.on('message')`. */
  sendToPage(message: unknown): void;
}

/** One page being rendered and captured. */
export interface Capture {
  readonly kind: CaptureKind;
  readonly page: CapturedPage;
  readonly video: VideoSource;
  /** Another reader takes the place of the one that had `video`, and needs one of its own: `video` is new after it. */
  renewVideo(): Promise<void>;
  /** Null where the page's sound cannot be had, or was not asked for. */
  readonly audio: AudioSource | null;
  /** Stops taking pictures and sound; the page lives on. Idempotent. */
  pause(): Promise<void>;
  /** Takes them again. Idempotent. */
  resume(): Promise<void>;
  /**
   * Goes on in another size or rate, in the same tab. When it resolves, `width` and `height` of the pictures that come
   * are the new ones; a reader of `video` must then be told.
   */
  reconfigure(format: CaptureFormat): Promise<void>;
  /** The picture as it is now. */
  snapshot(parameters: SnapshotParameters): Promise<Uint8Array>;
  /**
   * Ends the browser in good order and writes what its pages have stored to a new archive. Nothing but `close()` may follow.
   *
   * @throws StreamKitError `too_large`, `disk_full`, `profile_failed`.
   */
  storeProfile(target: ProfileTarget): Promise<void>;
  /** Ends the browser's process tree, then removes its profile directory and the ring file. Idempotent. */
  close(): Promise<void>;
}

/**
 * Launches a browser, opens the page in it and begins to capture. Rejects with a coded error, and leaves nothing
 * behind when it does; `signal` gives up a launch that is under way, `logContext` names the session in the log.
 */
export type OpenCapture = (
  parameters: CaptureParameters,
  listener: CaptureListener,
  signal: AbortSignal,
  logContext?: LogContext,
) => Promise<Capture>;
