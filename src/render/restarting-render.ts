import type { Clock, Timer } from '../base/clock.js';
import { asError, type ErrorCode, StreamKitError } from '../base/errors.js';
import { LaunchLimit } from '../base/launch-limit.js';
import type { LogContext, Logger } from '../base/logger.js';
import type { Producer } from '../fanout/media-plane.js';
import type { ResolvedRestartOptions } from '../options/restart-options.js';
import type {
  CaptureFormat,
  CaptureKind,
  CaptureParameters,
  ProfileTarget,
  SnapshotParameters,
} from './capture/capture.js';
import type { ProgramInput } from './capture/program-input.js';
import type { PageControls } from './capture/page-controls.js';
import type { EncodingTarget, VideoStream } from '../protocol/video-stream.js';
import type { RenderStream } from './packetize/media-slots.js';
import type {
  OpenRender,
  OpenRestartableRender,
  Render,
  RenderListener,
  RestartableRender,
  RestartableRenderListener,
} from './render.js';

export interface RestartingRenderOptions {
  readonly open: OpenRender;
  /** False: a render that ends is over. */
  readonly restart: ResolvedRestartOptions | false;
  /** How long one launch may take, ms. */
  readonly launchLimitMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A page that harms its own session would do so again; and what was never there does not come back. */
const FINAL_CODES: ReadonlySet<ErrorCode> = new Set([
  'page_misbehaved',
  'browser_not_found',
  'bad_option',
  'no_such_profile',
  'profile_failed',
]);
/** The first restart is immediate; each further one within the window waits twice as long, ms. */
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 15_000;

/**
 * A render that comes back when it breaks: it opens another one and gives it the orders that stood. Producers, and with them
 * the viewers' peers, stay as they are; each stream goes on with a keyframe.
 */
export class RestartingRender implements RestartableRender {
  readonly controls: PageControls;
  readonly #options: RestartingRenderOptions;
  readonly #listener: RestartableRenderListener;
  readonly #logContext: LogContext | undefined;
  readonly #aborting = new AbortController();
  #parameters: CaptureParameters;
  #inner: Render | undefined;
  /** Of what was opened first: producers exist for it. */
  #hasAudio = false;
  readonly #feeds = new Map<RenderStream, Producer>();
  readonly #video = new Map<VideoStream, EncodingTarget>();
  #audioStarted = false;
  readonly #taps = new Set<RenderStream>();
  #paused = false;
  #viewerCount = 0;
  #programInput: ProgramInput = 'pass';
  /** Undefined: none was set. */
  #pageState: unknown;
  #restartedAtUs: number[] = [];
  #restarting: Promise<void> | undefined;
  /** The GPU of the current render is lost, and nothing has followed from that yet. */
  #isDeviceLost = false;
  /** The new render ended before it had all its orders. */
  #endedEarly: StreamKitError | undefined;
  #wait: { readonly timer: Timer; readonly done: () => void } | undefined;
  #closing: Promise<void> | undefined;
  /** Of the render whose reports count: what a former one still says is ignored. */
  #generation = 0;

  private constructor(
    options: RestartingRenderOptions,
    parameters: CaptureParameters,
    listener: RestartableRenderListener,
    logContext: LogContext | undefined,
  ) {
    this.#options = options;
    this.#parameters = parameters;
    this.#listener = listener;
    this.#logContext = logContext;
    this.controls = this.#pageControls();
  }

  /** Opens the first render; rejects as {@link OpenRender} does if that fails. */
  static async open(
    options: RestartingRenderOptions,
    parameters: CaptureParameters,
    listener: RestartableRenderListener,
    signal: AbortSignal,
    logContext?: LogContext,
  ): Promise<RestartingRender> {
    const render = new RestartingRender(options, parameters, listener, logContext);
    render.#inner = await render.#open(signal, () => listener.onLaunching?.());
    render.#hasAudio = render.#inner.hasAudio;
    // Not before the caller has it.
    const restartIfLost = (): void => {
      if (render.#isDeviceLost) render.#onDeviceLost();
    };
    if (render.#isDeviceLost) options.clock.after(0, restartIfLost);
    return render;
  }

  get kind(): CaptureKind {
    return this.#inner?.kind ?? 'tab';
  }

  get processPid(): number {
    return this.#inner?.processPid ?? 0;
  }

  get browserPid(): number {
    return this.#inner?.browserPid ?? 0;
  }

  get hasAudio(): boolean {
    return this.#hasAudio;
  }

  restart(): void {
    if (this.#isClosing() || this.#restarting !== undefined) return;
    this.#begin(undefined);
  }

  feed(stream: RenderStream, producer: Producer): void {
    this.#feeds.set(stream, producer);
    this.#inner?.feed(stream, producer);
  }

  startVideo(stream: VideoStream, target: EncodingTarget): void {
    this.#video.set(stream, target);
    this.#inner?.startVideo(stream, target);
  }

  stopVideo(stream: VideoStream): void {
    this.#video.delete(stream);
    this.#inner?.stopVideo(stream);
  }

  requestKeyframe(stream: VideoStream): void {
    this.#inner?.requestKeyframe(stream);
  }

  refresh(): void {
    this.#inner?.refresh();
  }

  setTarget(stream: VideoStream, target: EncodingTarget): void {
    if (this.#video.has(stream)) this.#video.set(stream, target);
    this.#inner?.setTarget(stream, target);
  }

  startAudio(): void {
    this.#audioStarted = true;
    this.#inner?.startAudio();
  }

  stopAudio(): void {
    this.#audioStarted = false;
    this.#inner?.stopAudio();
  }

  tap(stream: RenderStream, tapped: boolean): void {
    if (tapped) this.#taps.add(stream);
    else this.#taps.delete(stream);
    this.#inner?.tap(stream, tapped);
  }

  async pause(): Promise<void> {
    this.#paused = true;
    await this.#inner?.pause();
  }

  async resume(): Promise<void> {
    this.#paused = false;
    await this.#inner?.resume();
  }

  async reconfigure(format: CaptureFormat): Promise<void> {
    this.#parameters = { ...this.#parameters, ...format };
    await this.#inner?.reconfigure(format);
  }

  setViewerCount(count: number): void {
    this.#viewerCount = count;
    this.#inner?.setViewerCount(count);
  }

  setProgramInput(input: ProgramInput): void {
    this.#programInput = input;
    this.#inner?.setProgramInput(input);
  }

  setPageState(state: unknown): void {
    this.#pageState = state;
    this.#inner?.setPageState(state);
  }

  sendToPage(message: unknown): void {
    this.#inner?.sendToPage(message);
  }

  openDebugger(): Promise<string> {
    return this.#inner?.openDebugger() ?? Promise.reject(notThere());
  }

  snapshot(parameters: SnapshotParameters): Promise<Uint8Array> {
    if (this.#inner === undefined) return Promise.reject(notThere());
    return this.#inner.snapshot(parameters);
  }

  storeProfile(target: ProfileTarget): Promise<void> {
    return this.#inner?.storeProfile(target) ?? Promise.reject(notThere());
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#generation += 1;
      this.#aborting.abort(new StreamKitError('conflict', 'The session has ended'));
      this.#wait?.timer.cancel();
      this.#wait?.done();
      await this.#inner?.close();
      await this.#restarting;
    })();
    return this.#closing;
  }

  /** A method, since it changes while others wait. */
  #isClosing(): boolean {
    return this.#closing !== undefined;
  }

  #open(signal: AbortSignal, onLaunching: () => void): Promise<Render> {
    this.#isDeviceLost = false;
    this.#generation += 1;
    const generation = this.#generation;
    return this.#options.open(
      this.#parameters,
      {
        ...currentOnly(
          this.#listener,
          () => generation === this.#generation,
          (error) => this.#onEnded(error),
        ),
        onLaunching,
        onDeviceLost: () => {
          if (generation === this.#generation) this.#onDeviceLost();
        },
        isAwaited: () => this.#listener.isAwaited?.() === true,
      },
      signal,
      this.#logContext,
    );
  }

  #onEnded(error: StreamKitError): void {
    if (this.#isClosing()) return;
    if (this.#restarting !== undefined) this.#endedEarly = error;
    else if (this.#mayRestart(error)) this.#begin(error);
    else this.#listener.onEnded(error);
  }

  /** The page goes on in software unless it may be restarted: it is then placed on another device. */
  #onDeviceLost(): void {
    this.#isDeviceLost = this.#inner === undefined || this.#restarting !== undefined;
    if (this.#isClosing() || this.#isDeviceLost) return;
    const error = new StreamKitError('gpu_lost', 'The GPU that drew the page is lost');
    if (this.#mayRestart(error)) this.#begin(error);
  }

  #mayRestart({ code }: StreamKitError): boolean {
    const { restart, clock } = this.#options;
    if (restart === false || FINAL_CODES.has(code)) return false;
    const nowUs = clock.nowUs();
    this.#restartedAtUs = this.#restartedAtUs.filter((atUs) => nowUs - atUs < restart.windowMs * 1000);
    if (this.#restartedAtUs.length >= restart.attempts) return false;
    this.#restartedAtUs.push(nowUs);
    return true;
  }

  #begin(reason: StreamKitError | undefined): void {
    this.#generation += 1;
    const lost = this.#inner;
    this.#inner = undefined;
    this.#options.logger.warn(
      { ...this.#logContext, ...(reason === undefined ? { reason: 'asked for' } : { code: reason.code }) },
      'the page session restarts',
    );
    this.#listener.onRestarting(reason);
    this.#restarting = this.#restart(lost).then(() => {
      this.#restarting = undefined;
      const error = this.#endedEarly;
      this.#endedEarly = undefined;
      if (error !== undefined) this.#onEnded(error);
      else if (this.#isDeviceLost) this.#onDeviceLost();
    });
  }

  async #restart(lost: Render | undefined): Promise<void> {
    await lost?.close().catch((error: unknown) => {
      this.#options.logger.warn({ ...this.#logContext, err: asError(error) }, 'a lost render did not close');
    });
    await this.#delay();
    while (!this.#isClosing()) {
      try {
        const inner = await this.#launch();
        if (this.#isClosing()) {
          await inner.close();
          return;
        }
        this.#inner = inner;
        await this.#repeatOrders(inner);
        if (!this.#isClosing()) this.#listener.onRestarted();
        return;
      } catch (thrown) {
        const error = asCoded(thrown);
        if (this.#isClosing()) return;
        if (!this.#mayRestart(error)) {
          this.#listener.onEnded(error);
          return;
        }
        this.#options.logger.warn({ ...this.#logContext, err: error }, 'a restart failed');
        await this.#delay();
      }
    }
  }

  async #launch(): Promise<Render> {
    const { clock, launchLimitMs } = this.#options;
    const launching = new AbortController();
    const abort = (): void => launching.abort(this.#aborting.signal.reason);
    this.#aborting.signal.addEventListener('abort', abort, { once: true });
    const limit = new LaunchLimit(clock, launchLimitMs, launching);
    try {
      return await this.#open(launching.signal, () => limit.restart());
    } catch (thrown) {
      throw launching.signal.aborted ? launching.signal.reason : thrown;
    } finally {
      limit.cancel();
      this.#aborting.signal.removeEventListener('abort', abort);
    }
  }

  /** What was ordered of the render that was lost, or meanwhile. */
  async #repeatOrders(inner: Render): Promise<void> {
    for (const [stream, producer] of this.#feeds) inner.feed(stream, producer);
    inner.setViewerCount(this.#viewerCount);
    inner.setProgramInput(this.#programInput);
    if (this.#pageState !== undefined) inner.setPageState(this.#pageState);
    for (const stream of this.#taps) inner.tap(stream, true);
    if (this.#paused) await inner.pause();
    for (const [stream, target] of this.#video) inner.startVideo(stream, target);
    if (this.#audioStarted) inner.startAudio();
  }

  /** Longer with every restart of late. */
  #delay(): Promise<void> {
    const recent = this.#restartedAtUs.length;
    if (recent <= 1 || this.#isClosing()) return Promise.resolve();
    const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (recent - 2), LONGEST_DELAY_MS);
    return new Promise((resolve) => {
      this.#wait = { timer: this.#options.clock.after(delayMs, resolve), done: resolve };
    });
  }

  #pageControls(): PageControls {
    const inner = (): Render | undefined => this.#inner;
    const viewport = (): PageControls['viewport'] => {
      const { width, height, deviceScaleFactor } = this.#parameters;
      return (
        inner()?.controls.viewport ?? {
          width: Math.round(width / deviceScaleFactor),
          height: Math.round(height / deviceScaleFactor),
        }
      );
    };
    return {
      get viewport() {
        return viewport();
      },
      send: (command, parameters) =>
        inner()?.controls.send(command, parameters) ?? Promise.reject(notThere()),
      fillClipboard: (text) => inner()?.controls.fillClipboard(text) ?? Promise.reject(notThere()),
      setGamepads: (gamepads) => inner()?.controls.setGamepads(gamepads),
      answer: (answer) => inner()?.controls.answer(answer),
    };
  }
}

/** Passes on what the current render reports; what a former one still says is ignored. */
function currentOnly(
  listener: RenderListener,
  isCurrent: () => boolean,
  onEnded: (error: StreamKitError) => void,
): RenderListener {
  const guarded =
    <T extends unknown[]>(report: (...reported: T) => void) =>
    (...reported: T): void => {
      if (isCurrent()) report(...reported);
    };
  return {
    onPageMetadata: guarded((metadata, changedAtUs) => listener.onPageMetadata(metadata, changedAtUs)),
    onPageMessage: guarded((message) => listener.onPageMessage(message)),
    onCursor: guarded((css) => listener.onCursor(css)),
    onClipboard: guarded((text) => listener.onClipboard(text)),
    onPageEvent: guarded((event) => listener.onPageEvent(event)),
    onResponsive: guarded((responsive) => listener.onResponsive(responsive)),
    onFault: guarded((code, message) => listener.onFault(code, message)),
    onSound: guarded((available) => listener.onSound(available)),
    onRendering: guarded((rendering) => listener.onRendering?.(rendering)),
    onVideoStats: guarded((stats) => listener.onVideoStats(stats)),
    onFrames: guarded((stream, frames) => listener.onFrames(stream, frames)),
    onKeyframe: guarded((stream) => listener.onKeyframe(stream)),
    onEncoderReplaced: guarded((replacement) => listener.onEncoderReplaced(replacement)),
    onEncodedFrame: guarded((frame) => listener.onEncodedFrame(frame)),
    onEncodedAudio: guarded((packet) => listener.onEncodedAudio(packet)),
    onEnded: guarded(onEnded),
  };
}

function notThere(): StreamKitError {
  return new StreamKitError('unavailable', 'The page is restarting', { headers: { 'Retry-After': '1' } });
}

function asCoded(thrown: unknown): StreamKitError {
  if (thrown instanceof StreamKitError) return thrown;
  return new StreamKitError('internal', 'The page could not be started again', { cause: asError(thrown) });
}

/** Makes renders come back that break. */
export function createOpenRestartingRender(options: RestartingRenderOptions): OpenRestartableRender {
  return (parameters, listener, signal, logContext) =>
    RestartingRender.open(options, parameters, listener, signal, logContext);
}
