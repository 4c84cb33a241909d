import type { LaunchOptions } from 'puppeteer';

import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { EgressProxy } from '../egress/egress-proxy.js';
import type { Producer } from '../fanout/media-plane.js';
import { codecOf, type EncodingTarget, type VideoStream, videoStream } from '../protocol/video-stream.js';
import type { CaptureFormat, CaptureKind, ProfileTarget, SnapshotParameters } from './capture/capture.js';
import type { PageControls, PageSize } from './capture/page-controls.js';
import type { ProgramInput } from './capture/program-input.js';
import type { BrowserRenderer } from './capture/renderer-watch.js';
import type { EncoderSelection } from './encode/encoder-selection.js';
import { frameRecord } from './encode/frame-record.js';
import type { EncoderSeat } from './encode/encoder-seats.js';
import type { DeviceLease } from './graphics/device-assignment.js';
import type { GraphicsSelection } from './graphics/graphics-selection.js';
import { MEDIA_SLOTS, type RenderStream } from './packetize/media-slots.js';
import {
  type AnsweredOrder,
  type OpenedRender,
  type RenderOrder,
  type RenderReport,
  reportedError,
} from './render-messages.js';
import type { Render, RenderListener } from './render.js';
import type { SessionProcess } from './session-process-supervisor.js';
import type { RenderPlace } from './spare-render.js';
import type { TapEntry } from './tap-pipe.js';

export interface RemoteRenderOptions {
  readonly encoders: EncoderSelection;
  readonly graphics: Pick<GraphicsSelection, 'renderingOf' | 'encoders'>;
  /** With those for a GPU, if the page is to be drawn on one. */
  readonly launchOptions: LaunchOptions;
  /** Of the device that draws the page, and encodes it; undefined: whichever the drivers take. */
  readonly lease: DeviceLease | undefined;
  /** A page was refused what the policy does not permit; by error type of RFC 9209. */
  readonly onEgressRefused: (errorType: string) => void;
  /** The browser is there; the page is not loaded yet. */
  readonly onLaunched: () => void;
  readonly onFoundBrowser: (opened: OpenedRender) => void;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** A render in a session process. */
export class RemoteRender implements Render {
  readonly controls: PageControls;
  readonly #session: SessionProcess;
  readonly #options: RemoteRenderOptions;
  readonly #listener: RenderListener;
  readonly #logger: Logger;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #opened: OpenedRender | undefined;
  #viewport: PageSize = { width: 1, height: 1 };
  /** It ends with this render. */
  readonly #egress: EgressProxy | undefined;
  /** Encoders that are to be started as soon as it is known which work. */
  readonly #wanted = new Map<VideoStream, EncodingTarget>();
  readonly #seats = new Map<VideoStream, EncoderSeat>();
  /** Why it is over; undefined: it is not. */
  #endError: StreamKitError | undefined;
  #closing: Promise<void> | undefined;

  /** @param isWarm - the process has prepared its browser already. */
  constructor(
    { session, profileDirectory, egress }: RenderPlace,
    isWarm: boolean,
    options: RemoteRenderOptions,
    listener: RenderListener,
    logger: Logger,
    streamId: string,
  ) {
    this.#session = session;
    this.#egress = egress;
    this.#options = options;
    this.#listener = listener;
    this.#logger = logger;
    this.controls = this.#pageControls();
    const listening = {
      onReport: (report: RenderReport) => this.#onReport(report),
      onTapEntry: (entry: TapEntry) => this.#onTapEntry(entry),
      onLost: (error: StreamKitError) => this.#fail(error),
    };
    if (isWarm) session.handTo(listening);
    else session.use(streamId, listening, profileDirectory);
  }

  get kind(): CaptureKind {
    return this.#opened?.kind ?? 'tab';
  }

  get processPid(): number {
    return this.#session.pid ?? 0;
  }

  get browserPid(): number {
    return this.#opened?.browserPid ?? 0;
  }

  get hasAudio(): boolean {
    return this.#opened?.hasAudio ?? false;
  }

  async open(order: Omit<Extract<AnsweredOrder, { type: 'open' }>, 'type'>): Promise<void> {
    const opened = (await this.#ask({ type: 'open', ...order })) as OpenedRender;
    this.#opened = opened;
    this.#options.onFoundBrowser(opened);
    this.#viewport = opened.viewport;
  }

  feed(stream: RenderStream, producer: Producer): void {
    for (const socket of this.#session.sockets) socket.bind(MEDIA_SLOTS[stream], producer);
  }

  startVideo(stream: VideoStream, target: EncodingTarget): void {
    const { encoders, graphics, lease } = this.#options;
    this.#wanted.set(stream, target);
    // In the first moments of a server it is not yet known which encoders work, at most as long as the probe may take.
    const start = (): void => {
      const wanted = this.#wanted.get(stream);
      if (wanted === undefined || this.#endError !== undefined || this.#seats.has(stream)) return;
      const candidates = graphics.encoders(encoders.candidates(codecOf(stream)), lease?.device);
      const seat = encoders.seats.take(candidates);
      this.#seats.set(stream, seat);
      this.#send({ type: 'startVideo', stream, target: wanted, candidates: seat.candidates });
    };
    if (encoders.chosen) start();
    else void encoders.ready().then(start);
  }

  stopVideo(stream: VideoStream): void {
    this.#wanted.delete(stream);
    this.#seats.get(stream)?.release();
    this.#seats.delete(stream);
    this.#send({ type: 'stopVideo', stream });
  }

  requestKeyframe(stream: VideoStream): void {
    this.#send({ type: 'keyframe', stream });
  }

  refresh(): void {
    this.#send({ type: 'refresh' });
  }

  setTarget(stream: VideoStream, target: EncodingTarget): void {
    if (this.#wanted.has(stream)) this.#wanted.set(stream, target);
    this.#send({ type: 'target', stream, target });
  }

  startAudio(): void {
    this.#send({ type: 'startAudio' });
  }

  stopAudio(): void {
    this.#send({ type: 'stopAudio' });
  }

  tap(stream: RenderStream, tapped: boolean): void {
    this.#send({ type: 'tap', stream, tapped });
  }

  async pause(): Promise<void> {
    await this.#attempt({ type: 'pause' });
  }

  async resume(): Promise<void> {
    await this.#attempt({ type: 'resume' });
  }

  async reconfigure(format: CaptureFormat): Promise<void> {
    await this.#attempt({ type: 'reconfigure', format });
  }

  setViewerCount(count: number): void {
    this.#send({ type: 'viewerCount', count });
  }

  setProgramInput(input: ProgramInput): void {
    this.#send({ type: 'programInput', input });
  }

  setPageState(state: unknown): void {
    this.#send({ type: 'pageState', state });
  }

  sendToPage(message: unknown): void {
    this.#send({ type: 'toPage', message });
  }

  async openDebugger(): Promise<string> {
    return String(await this.#ask({ type: 'openDebugger' }));
  }

  async snapshot(parameters: SnapshotParameters): Promise<Uint8Array> {
    return (await this.#ask({ type: 'snapshot', parameters })) as Uint8Array;
  }

  async storeProfile(target: ProfileTarget): Promise<void> {
    await this.#ask({ type: 'storeProfile', target }, this.#closing === undefined);
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#end(new StreamKitError('conflict', 'The session has ended'));
      await this.#session.close();
      // Not before: until then its encoders may run.
      for (const seat of this.#seats.values()) seat.release();
      await this.#egress?.close();
      this.#options.lease?.release();
    })();
    return this.#closing;
  }

  #pageControls(): PageControls {
    const viewport = (): PageSize => this.#viewport;
    return {
      get viewport() {
        return viewport();
      },
      send: async (command, parameters) => void (await this.#ask({ type: 'input', command, parameters })),
      fillClipboard: async (text) => void (await this.#ask({ type: 'fillClipboard', text })),
      setGamepads: (gamepads) => this.#send({ type: 'gamepads', gamepads }),
      answer: (answer) => this.#send({ type: 'pageAnswer', answer }),
    };
  }

  #send(order: RenderOrder): void {
    this.#session.send(order);
  }

  /**
   * The answer to an order. Rejects if the session process ends before.
   *
   * @param isLast - also of a render that has ended, if its process goes on.
   */
  #ask(order: AnsweredOrder, isLast = false): Promise<unknown> {
    if (this.#endError !== undefined && !isLast) return Promise.reject(this.#endError);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      if (this.#session.send({ ...order, id })) this.#waiting.set(id, { resolve, reject });
      else reject(new StreamKitError('unavailable', 'The session process takes no orders'));
    });
  }

  /** As {@link #ask}; what fails is told by `ended`. */
  async #attempt(order: AnsweredOrder): Promise<void> {
    await this.#ask(order).catch((error: unknown) => {
      this.#logger.debug({ err: asError(error), order: order.type }, 'an order was not carried out');
    });
  }

  #onReport(report: RenderReport): void {
    const isAnswer = report.type === 'done' || report.type === 'failed';
    if (this.#endError !== undefined && !isAnswer) return;
    const listener = this.#listener;
    switch (report.type) {
      case 'ready':
      case 'pong':
        break;
      case 'launched':
        this.#options.onLaunched();
        if (this.#listener.isAwaited?.() === true) this.#send({ type: 'awaited' });
        break;
      case 'done':
        this.#settle(report.id)?.resolve(report.result);
        break;
      case 'failed':
        this.#settle(report.id)?.reject(reportedError(report.error));
        break;
      case 'metadata':
        listener.onPageMetadata(report.metadata, report.changedAtUs);
        break;
      case 'message':
        listener.onPageMessage(report.message);
        break;
      case 'cursor':
        listener.onCursor(report.css);
        break;
      case 'clipboard':
        listener.onClipboard(report.text);
        break;
      case 'pageEvent':
        listener.onPageEvent(report.event);
        break;
      case 'stats': {
        const { stats } = report;
        const seat = this.#seats.get(videoStream(stats.codec, stats.rung));
        seat?.moveTo(stats.candidate, false);
        listener.onVideoStats({ ...stats, encoderReason: seat?.reason });
        break;
      }
      case 'frames':
        listener.onFrames(report.stream, report.frames);
        break;
      case 'keyframe':
        listener.onKeyframe(report.stream);
        break;
      case 'replaced': {
        const { replacement } = report;
        const { codec, rung, candidate } = replacement;
        this.#seats.get(videoStream(codec, rung))?.moveTo(candidate, true);
        listener.onEncoderReplaced(replacement);
        break;
      }
      case 'viewport':
        this.#viewport = report.viewport;
        break;
      case 'responsive':
        listener.onResponsive(report.responsive);
        break;
      case 'fault':
        listener.onFault(report.error.code ?? 'internal', report.error.message);
        break;
      case 'sound':
        listener.onSound(report.available);
        break;
      case 'renderer':
        this.#onRenderer(report.renderer);
        break;
      case 'egressRefused':
        this.#options.onEgressRefused(report.errorType);
        break;
      case 'log':
        this.#logger[report.level](report.context, report.message);
        break;
      case 'ended':
        this.#fail(reportedError(report.error));
        break;
    }
  }

  #onRenderer(renderer: BrowserRenderer): void {
    const { graphics, launchOptions } = this.#options;
    const rendering = graphics.renderingOf(renderer, launchOptions);
    if (rendering.fallback) {
      this.#logger.warn({ renderer: rendering.renderer }, 'the page is drawn on the CPU instead of the GPU');
      this.#options.lease?.lose();
    }
    this.#listener.onRendering?.(rendering);
    if (rendering.fallback && this.#options.lease?.hasOther === true) this.#listener.onDeviceLost?.();
  }

  #onTapEntry(entry: TapEntry): void {
    if (this.#endError !== undefined) return;
    switch (entry.type) {
      case 'blob':
        this.#settle(entry.id)?.resolve(entry.bytes);
        break;
      case 'video': {
        const { frame } = entry;
        this.#listener.onEncodedFrame(frame);
        // With a media socket the session process itself says what went out.
        if (this.#session.sockets.length > 0) break;
        const nowUs = Number(process.hrtime.bigint() / 1000n);
        const stream = videoStream(frame.codec, frame.rung);
        this.#listener.onFrames(stream, [frameRecord(frame, nowUs)]);
        if (frame.keyframe) this.#listener.onKeyframe(stream);
        break;
      }
      case 'audio':
        this.#listener.onEncodedAudio(entry.packet);
        break;
    }
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #fail(error: StreamKitError): void {
    if (this.#endError !== undefined) {
      this.#end(error);
      return;
    }
    this.#logger.warn({ err: error, code: error.code }, 'the render has ended');
    this.#end(error);
    if (this.#opened !== undefined) this.#listener.onEnded(error);
  }

  #end(error: StreamKitError): void {
    this.#endError ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
