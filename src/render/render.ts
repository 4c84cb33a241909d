import type { LogContext } from '../base/logger.js';
import type { StreamKitError } from '../base/errors.js';
import type { Producer } from '../fanout/media-plane.js';
import type {
  CaptureFormat,
  CaptureKind,
  CaptureParameters,
  CaptureWatchListener,
  ProfileTarget,
  SnapshotParameters,
} from './capture/capture.js';
import type { ProgramInput } from './capture/program-input.js';
import type { PageBridgeListener } from './capture/page-bridge.js';
import type { PageControls, PageControlsListener } from './capture/page-controls.js';
import type { EncoderReplacement, VideoEncoderStats } from './encode/encode-thread.js';
import type { EncodedAudio, EncodedFrame } from './encode/encoded-frame.js';
import type { RenderingState } from '../protocol/state-document.js';
import type { EncodingTarget, VideoStream } from '../protocol/video-stream.js';
import type { FrameRecord } from './encode/frame-record.js';
import type { RenderStream } from './packetize/media-slots.js';

/** What flows back from a render. None of these may throw. */
export interface RenderListener extends PageBridgeListener, PageControlsListener, CaptureWatchListener {
  /** The launch begins: it has waited for its turn. */
  onLaunching?(): void;
  /** What draws the page, once it is known and when it changes. */
  onRendering?(rendering: RenderingState): void;
  /** The GPU that was to draw the page does not, and there is another one. */
  onDeviceLost?(): void;
  /** Asked when the browser is there: whether somebody waits for its picture. */
  isAwaited?(): boolean;
  /** About once per second for each stream that is encoded. */
  onVideoStats(stats: VideoEncoderStats): void;
  /** Frames that were handed to the media plane since the last call, oldest first; about once per second. */
  onFrames(stream: VideoStream, frames: readonly FrameRecord[]): void;
  /** A keyframe was handed to the media plane. */
  onKeyframe(stream: VideoStream): void;
  onEncoderReplaced(replacement: EncoderReplacement): void;
  /** Only of streams that are tapped. */
  onEncodedFrame(frame: EncodedFrame): void;
  onEncodedAudio(packet: EncodedAudio): void;
  /** The render is over and nothing more will come. At most once, and not after `close()`. */
  onEnded(error: StreamKitError): void;
}

/** One page that is rendered, captured and encoded. Every method is for a render that has not ended; later calls are ignored. */
export interface Render {
  readonly kind: CaptureKind;
  readonly browserPid: number;
  /** The process from which everything of the page descends, its encoders and its browser. */
  readonly processPid: number;
  /** The page's sound can be captured and was asked for. */
  readonly hasAudio: boolean;
  readonly controls: PageControls;
  /** Sends the stream's frames straight to the producer, if there is a media socket; see `Producer.needsFrames`. */
  feed(stream: RenderStream, producer: Producer): void;

  /** Encodes the stream from now on, beginning with a keyframe. */
  startVideo(stream: VideoStream, target: EncodingTarget): void;
  stopVideo(stream: VideoStream): void;
  requestKeyframe(stream: VideoStream): void;
  /** Encodes the last picture again at once, for every stream that is encoded. */
  refresh(): void;
  /** Another size costs a keyframe. */
  setTarget(stream: VideoStream, target: EncodingTarget): void;
  startAudio(): void;
  stopAudio(): void;
  /** While tapped, the stream's frames also come to the listener. Not tapped at first. */
  tap(stream: RenderStream, tapped: boolean): void;

  /** Stops taking pictures and sound; the page lives on. Idempotent. */
  pause(): Promise<void>;
  /** Takes them again. Idempotent. */
  resume(): Promise<void>;
  /** Goes on in another size or rate, in the same tab. Encoders follow with a keyframe. */
  reconfigure(format: CaptureFormat): Promise<void>;
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
  /** @throws StreamKitError `unavailable` if the browser gives no picture in time. */
  snapshot(parameters: SnapshotParameters): Promise<Uint8Array>;
  /**
   * Ends encoders and browser in good order, and writes what pages have stored to a new archive. Nothing but `close()` may follow. Also of
   * a render that has ended, as long as its browser answers.
   *
   * @throws StreamKitError `too_large`, `disk_full`, `profile_failed`, or why the render has ended.
   */
  storeProfile(target: ProfileTarget): Promise<void>;
  /** Ends encoders, then the browser's process tree, then removes its files. Idempotent. */
  close(): Promise<void>;
}

/**
 * Launches a browser, opens the page in it and begins to capture. Rejects with a coded error and leaves nothing behind;
 * `signal` gives up a launch that is under way, `logContext` names the session in the log.
 */
export type OpenRender = (
  parameters: CaptureParameters,
  listener: RenderListener,
  signal: AbortSignal,
  logContext?: LogContext,
) => Promise<Render>;

/** A render that may be replaced by another one, which then goes on with the same orders. */
export interface RestartableRender extends Render {
  /** Loads the page anew in another browser. It is not limited, and ignored while a restart is under way. */
  restart(): void;
}

export interface RestartableRenderListener extends RenderListener {
  /** The render is gone and another one is being opened. `reason` is undefined if that was asked for. */
  onRestarting(reason: StreamKitError | undefined): void;
  /** The page is there again, loaded anew. */
  onRestarted(): void;
}

/** As {@link OpenRender}, which opens it the first time. */
export type OpenRestartableRender = (
  parameters: CaptureParameters,
  listener: RestartableRenderListener,
  signal: AbortSignal,
  logContext?: LogContext,
) => Promise<RestartableRender>;
