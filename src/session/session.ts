// Over 500 lines: launch, use, move and end share the state that decides which operations are allowed.

import { worldOf } from '../egress/upstream-proxy.js';
import type { SessionDiagnostics } from '../protocol/session-diagnostics.js';
import type { PlacementRequest, SessionChange } from '../protocol/session-requests.js';
import type { SnapshotParameters } from '../render/capture/capture.js';
import type { RestartableRender } from '../render/render.js';
import { AUTO_CODECS, type VideoCodec } from '../protocol/video-codecs.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { Clock } from '../base/clock.js';
import { withTimeout } from '../base/with-timeout.js';
import { LaunchLimit } from '../base/launch-limit.js';
import { SerialQueue } from '../base/serial-queue.js';
import type { IceServerOption } from '../options/ice-server-options.js';
import type { Logger } from '../base/logger.js';
import type { PacketSink, PacketSource } from '../recording/packet-source.js';
import type { Caller } from './caller.js';
import { closePart } from './close-part.js';
import { initialState } from './initial-state.js';
import { checkJson, MAX_MESSAGE_BYTES, MAX_PAGE_STATE_BYTES } from './json-bytes.js';
import type { MessageSink } from './message-sink.js';
import { openPageStreams } from './page-streams.js';
import type { WhepLink } from './whep-link.js';
import type { CallerLimits } from '../options/access-options.js';
import { type MovedSession, type SessionArrival, continuedState, movedRequest } from './moved-session.js';
import { codecsToOffer, codecsAmong, parseRenderChange, type RenderOptions } from './render-options.js';
import { customSignal } from './server-sent-event.js';
import { sessionDiagnostics } from './session-diagnostics.js';
import { SessionLife } from './session-life.js';
import { SessionMedia } from './session-media.js';
import { SessionFiles } from './session-files.js';
import { SessionPublications } from './session-publications.js';
import type { SessionEmitter } from './session-emitter.js';
import type { SessionEndReason } from './session-events.js';
import type { SessionParts, SessionSettings } from './session-parts.js';
import type { SessionRequest } from './session-request.js';
import type { RecordingState, StreamSessionState } from '../protocol/state-document.js';
import type { SessionListener, StreamSession } from './stream-session.js';
import { lowerBudget } from '../options/session-budget-option.js';
import type { PassingProfile } from '../profiles/passing-profile.js';
import type { ProfileLease } from '../profiles/profile-lease.js';
import { PageDocument } from './page-document.js';
import { ProfileKeeper } from './profile-keeper.js';
import { UsageMeter } from './usage-meter.js';
import type { SessionUsage } from '../protocol/session-usage.js';
import { UseCount } from './use-count.js';
import { ViewerGroup } from './viewer-group.js';
import type { EventStreamLink, ViewerRequest } from './event-stream-link.js';

/** How long a page that is to move may take to end and store what it has, ms. */
const DEPART_TIMEOUT_MS = 15_000;

/** One page being rendered, and its viewers: the life cycle, from launch to the last file removed. */
export class Session implements StreamSession {
  readonly streamId: string;
  readonly hasMedia = true;
  readonly #request: SessionRequest;
  readonly #parts: SessionParts;
  readonly #settings: SessionSettings;
  readonly #logger: Logger;
  readonly #life: SessionLife;
  readonly #document: PageDocument;
  readonly meter: UsageMeter;
  readonly #profile: ProfileKeeper;
  readonly viewers: ViewerGroup;
  readonly files: SessionFiles;
  readonly publications: SessionPublications;
  /** Each costs the browser a full encode of its picture. */
  readonly #snapshots = new SerialQueue({ most: 4, sentence: 'Too many snapshots are being taken' });
  #renderOptions: RenderOptions;
  readonly #launchAbort = new AbortController();
  #launched: Promise<void> = Promise.resolve();
  #render: RestartableRender | undefined;
  #restarting = false;
  /** The page has ended, or will: the session goes on elsewhere. */
  #departing = false;
  readonly #arrival: SessionArrival | undefined;
  #media: SessionMedia | undefined;
  #viewerCountTold = 0;
  /** Clients of the DevTools protocol. */
  readonly debuggers = new UseCount(() => this.touch());
  /** Undefined: none was set. */
  #pageState: unknown;

  constructor(
    streamId: string,
    request: SessionRequest,
    parts: SessionParts,
    settings: SessionSettings,
    listener: SessionListener,
    profile?: ProfileLease,
    arrival?: SessionArrival,
  ) {
    this.streamId = streamId;
    this.#arrival = arrival;
    this.#pageState = arrival?.moved.pageState;
    this.#request = request;
    this.#renderOptions = request.renderOptions;
    this.#parts = parts;
    this.#settings = settings;
    this.#logger = parts.logger.child({ streamId });
    const begun = initialState(streamId, request, Math.round(parts.clock.wallMs()), parts.mediaPlane.name);
    const initial = arrival === undefined ? begun : continuedState(begun, arrival.moved);
    this.#life = new SessionLife(
      { initial, parts, settings, logger: this.#logger },
      {
        onPatch: () => this.viewers.sendPatches(),
        isUsed: () =>
          this.#departing ||
          this.#media?.tapped === true ||
          this.debuggers.isUsed ||
          this.publications.isActive,
        shutDown: (reason) => this.#shutDown(reason),
        onFailed: (error) => listener.onFailed(this, error),
        onEnded: (reason) => listener.onEnded(this, reason),
      },
    );
    this.files = new SessionFiles(settings.files, this.#logger);
    const { renderOptions } = request;
    const media = (): SessionMedia => this.#liveOr('There is nothing to publish yet').media;
    this.publications = new SessionPublications(
      { streamId, parts, renderOptions, media, logger: this.#logger },
      () => {
        this.#document.showPublications(this.publications.states);
        this.viewers.overflow?.onPublicationChange();
        this.#onViewerChange();
      },
    );
    this.#profile = new ProfileKeeper(profile, this.events, this.#logger);
    const { publisher } = this.#life;
    if (arrival !== undefined) publisher.continueAfter(arrival.moved.sequence);
    this.#document = new PageDocument(publisher, parts.clock);
    const budget = lowerBudget(request.budget, settings.sessionBudget);
    this.meter = new UsageMeter({ ...parts, budget, earlier: arrival?.moved.usage });
    this.viewers = new ViewerGroup(
      {
        streamId,
        parts,
        settings,
        publisher,
        renderOptions: request.renderOptions,
        published: {
          publications: this.publications,
          viewerBps: () => this.#renderOptions.maxBitrateBps,
        },
        openSockets: (hooks) =>
          openPageStreams({
            clock: parts.clock,
            logger: this.#logger,
            graceMs: settings.viewerReattachMs,
            chooseCodec: () => {
              const codecs = codecsToOffer(request.renderOptions, undefined);
              return this.#media?.runningOrFirst(codecs) ?? codecs[0] ?? AUTO_CODECS[0];
            },
            document: () => this.state,
            snapshot: () => this.snapshot({ format: 'png' }),
            openSource: (codec, sink) => this.openPackets([codec], sink),
            onSent: (bytes) => this.meter.addWebSocketBytes(bytes),
            ...hooks,
          }),
        logger: this.#logger,
      },
      {
        onActivity: () => this.touch(),
        onChange: () => this.#onViewerChange(),
        onController: (id) => {
          this.#document.showController(id);
          this.events.emit('control', { controllerId: id });
        },
        onAsked: (publicId) => this.events.emit('control_requested', { publicId }),
        onProgramInput: (input) => this.#render?.setProgramInput(input),
        onInput: (publicId, message) => this.events.emit('input', { publicId, message }),
        resize: async ({ width, height }) => {
          await this.reconfigure({ resolution: `${width}x${height}` });
        },
      },
    );
  }

  /** The state document as it is now. */
  get state(): Readonly<StreamSessionState> {
    return this.#life.publisher.document;
  }

  get events(): SessionEmitter {
    return this.#life.events;
  }

  get endReason(): SessionEndReason | undefined {
    return this.#life.endReason;
  }

  get error(): StreamKitError | undefined {
    return this.#life.error;
  }

  /** What its encoders, its viewers and the ways to them do at this moment. Not a use of the session. */
  get diagnostics(): SessionDiagnostics {
    const encodings = this.#media?.encodings() ?? [];
    return sessionDiagnostics(this.state, encodings, this);
  }

  /** What it has used; after the end, until then. Not a use of the session. */
  get usage(): SessionUsage {
    return this.meter.usage;
  }

  /** Its profile; undefined where it has none. */
  get profile(): ProfileKeeper['profile'] {
    return this.#profile.profile;
  }

  /** Begins to launch. What comes of it shows in the state. Once. */
  launch(): void {
    this.meter.watchBudget((error) => this.#life.fail(error));
    this.#launched = this.#launch();
  }

  /** Resolves when the page is captured, or the session has ended. */
  get whenLaunched(): Promise<void> {
    return this.#launched;
  }

  /** What it needs of its server. */
  get placement(): PlacementRequest {
    return this.#request.placement;
  }

  /** It goes on elsewhere, or is about to. */
  get isDeparting(): boolean {
    return this.#departing && this.#life.endReason === undefined;
  }

  /** It can {@link depart}: its page is there, and no DevTools client drives it. */
  get isMovable(): boolean {
    const isLive = this.#media !== undefined && this.#life.endReason === undefined;
    return isLive && !this.#restarting && !this.#departing && !this.debuggers.isUsed;
  }

  /**
   * Ends the page, so that the session can go on elsewhere: only `close()` may follow. Viewers see the last picture, and the state is
   * the same from then on.
   *
   * @param archive - gets what pages have stored.
   * @returns `isStored`: false where that failed, which is logged.
   * @throws StreamKitError `unavailable` before the page is captured, `conflict` after the end.
   */
  async depart(archive: PassingProfile): Promise<{ moved: MovedSession; isStored: boolean }> {
    const { render, media } = this.#liveOr('The page is not captured yet');
    const by = { clock: this.#parts.clock, logger: this.#logger };
    this.#departing = true;
    media.onRestarting();
    const publications = this.publications.requests;
    this.#document.showDeparting();
    this.#onViewerChange();
    const published = this.#closePublications(by);
    let isStored = true;
    try {
      await withTimeout(render.storeProfile(archive.source), DEPART_TIMEOUT_MS);
    } catch (thrown) {
      isStored = false;
      this.#logger.error({ err: asError(thrown) }, 'what a page has stored is lost as its session moves');
    }
    await Promise.all([published, this.meter.sample()]);
    void closePart('render', render.close(), by);
    const { publisher } = this.#life;
    publisher.flush();
    publisher.close();
    const { page, restarts, fault } = this.state.metadata;
    const moved = {
      request: movedRequest(this.#request, this.#renderOptions),
      sequence: publisher.lastSequence,
      metadata: { page, restarts, fault },
      ...(this.#pageState === undefined ? {} : { pageState: this.#pageState }),
      ...{ usage: this.usage, publications },
    };
    return { moved, isStored };
  }

  /** The profile is another session's from now on. */
  handOverProfile(): ProfileLease | undefined {
    return this.#profile.handOver();
  }

  /** Notes that somebody asked for this session. */
  touch(): void {
    this.#life.touch();
  }

  /** As {@link SessionLife.endWhenUnused}. */
  endWhenUnused(afterMs: number): void {
    this.#life.endWhenUnused(afterMs);
  }

  /** As {@link ViewerGroup.admit}. */
  admit(request: ViewerRequest): EventStreamLink {
    return this.viewers.admit(request);
  }

  /**
   * Answers the offer of a player.
   *
   * @throws StreamKitError `conflict` before the page is captured and after the end, or as
   * {@link ViewerGroup.admitPlayer}.
   */
  async admitPlayer(
    caller: Caller,
    offer: string,
    iceServers: readonly IceServerOption[],
  ): Promise<{ player: WhepLink; answer: string }> {
    this.touch();
    if (this.#life.endReason !== undefined) throw new StreamKitError('conflict', 'The session has ended');
    if (this.#departing) throw departing();
    if (this.#media === undefined) {
      const headers = { 'Retry-After': '1' };
      throw new StreamKitError('conflict', 'The page is not captured yet', { headers });
    }
    return this.viewers.admitPlayer(caller, offer, iceServers);
  }

  /** As {@link ViewerGroup.prepareSocket}. */
  prepareSocket(caller: Caller, viewerId?: string): (sink: MessageSink) => void {
    this.touch();
    return this.viewers.prepareSocket(caller, viewerId);
  }

  /** @throws StreamKitError `no_such_viewer`. */
  player(caller: Caller, id: string): WhepLink {
    const player = this.viewers.getPlayer(id, caller);
    this.touch();
    return player;
  }

  /**
   * A signal from a viewer.
   * @throws StreamKitError `no_such_viewer`, or as {@link EventStreamLink.acceptSignal}; `too_large` for a message.
   */
  async acceptSignal(caller: Caller, viewerId: string, type: string, payload: unknown): Promise<void> {
    const viewer = this.viewers.get(viewerId, caller);
    this.touch();
    if (type === 'message') this.message(payload);
    else await viewer.acceptSignal(type, payload);
  }

  /**
   * Delivers a message to the page.
   *
   * @param message - JSON.
   * @throws StreamKitError `unprocessable`, `too_large`, `unavailable` before the page is captured, `conflict` after the end.
   */
  message(message: unknown): void {
    const { render } = this.#liveOr('The page is not loaded yet');
    checkJson(message, 'message', MAX_MESSAGE_BYTES);
    render.sendToPage(message);
  }

  /**
   * Delivers a state to the page, and to every document that it loads later. Before the page is captured it is kept.
   *
   * @param state - JSON.
   * @throws StreamKitError `unprocessable`, `too_large`, `conflict` after the end.
   */
  setPageState(state: unknown): void {
    if (this.#life.endReason !== undefined) throw new StreamKitError('conflict', 'The session has ended');
    if (this.#departing) throw departing();
    checkJson(state, 'state', MAX_PAGE_STATE_BYTES);
    this.touch();
    this.#pageState = structuredClone(state);
    this.#render?.setPageState(state);
  }

  /**
   * Serves the DevTools protocol of the page. While a client is connected, which `debuggers` counts, the session is not idle.
   *
   * @returns the path of a local socket that takes WebSockets.
   * @throws StreamKitError `unavailable` before the page is captured, `conflict` after the end, `at_capacity`.
   */
  openDebugger(): Promise<string> {
    const { render } = this.#liveOr('The page is not captured yet');
    this.touch();
    return render.openDebugger();
  }

  /**
   * The picture as it is now.
   *
   * @throws StreamKitError `unavailable` before the page is captured, `conflict` after the end, `at_capacity`.
   */
  snapshot(parameters: SnapshotParameters): Promise<Uint8Array> {
    const { render } = this.#liveOr('There is no picture yet');
    return this.#snapshots.run(() => render.snapshot(parameters));
  }

  /**
   * Goes on in another size, rate or bit rate.
   *
   * @param limits - of who asks.
   * @returns the values in force.
   * @throws StreamKitError `bad_request`, `forbidden`, `unavailable`, `conflict`.
   */
  async reconfigure(change: unknown, limits: Readonly<CallerLimits> = {}): Promise<Required<SessionChange>> {
    const { media } = this.#liveOr('The page is not captured yet');
    const { maxBitrateBps: serverLimitBps } = this.#settings;
    const next = parseRenderChange(change, this.#renderOptions, { maxBitrateBps: serverLimitBps, limits });
    this.#renderOptions = { ...this.#renderOptions, ...next };
    this.touch();
    await media.reconfigure(next, next.maxBitrateBps);
    this.#document.showFormat(this.#renderOptions);
    const { width, height, frameRate, maxBitrateBps } = next;
    return { resolution: `${width}x${height}`, frameRate, maxBitrateBps };
  }

  /**
   * Hands what is encoded to a recorder; while it is open the session is not idle.
   *
   * @param asked - codecs that the recorder can take; of those that the session has, one that is encoded already goes first.
   * @throws StreamKitError `unavailable` before the page is captured, `conflict` after the end or if the session has none of them.
   */
  openPackets(asked: readonly VideoCodec[], sink: PacketSink): PacketSource {
    const codecs = codecsAmong(this.#request.renderOptions, asked);
    return this.#liveOr('There is nothing to record yet').media.tap(codecs, sink);
  }

  /**
   * Starts the browser again and loads the page anew; viewers stay connected.
   *
   * @throws StreamKitError `not_found` without the option, `unavailable` before the page is captured, `conflict` after the end.
   */
  restart(): void {
    if (this.#settings.restart === false) throw new StreamKitError('not_found', 'There is no option restart');
    this.#liveOr('The page is not captured yet').render.restart();
    this.touch();
  }

  showRecordings(recordings: RecordingState[]): void {
    this.#document.showRecordings(recordings);
  }

  /** Ends the session: status `terminated`. Idempotent; a session that failed is only waited for. */
  close(reason: 'deleted' | 'timeout' | 'shutdown' | 'moved'): Promise<void> {
    return this.#life.end(reason);
  }
  readonly fail = (error: StreamKitError): void => this.#life.fail(error);

  release(): void {
    // Nothing of a page can be read after its end.
  }

  async #launch(): Promise<void> {
    const { clock, openRender } = this.#parts;
    const limitMs = this.#settings.launchTimeoutMs + this.#settings.loadTimeoutMs;
    const { signal } = this.#launchAbort;
    const profile = this.#arrival?.archive?.source ?? this.#profile.source;
    const { targetUrl, initialData, renderOptions } = this.#request;
    const limit = new LaunchLimit(clock, limitMs, this.#launchAbort);
    try {
      const world = worldOf(this.#settings.page, renderOptions.page);
      const own = { files: this.files.capture, copiesImages: this.#settings.control.clipboardImages };
      const render = await openRender(
        { ...renderOptions, ...world, ...own, targetUrl, initialData, profile },
        {
          onLaunching: () => limit.restart(),
          isAwaited: () => this.viewers.summary().attached > 0,
          ...this.#document.renderEvents,
          onPageMessage: (message) => {
            this.viewers.sendSignal(customSignal('message', message));
            this.events.emit('message', message);
          },
          onCursor: (css) => this.viewers.control.showCursor(css),
          onClipboard: (text) => this.viewers.control.showClipboard(text),
          onPageEvent: (event) => {
            if (event.type === 'download') this.files.onDownload(event);
            this.viewers.control.showPageEvent(event);
          },
          onVideoStats: (stats) => this.#media?.onVideoStats(stats),
          onFrames: (stream, frames) => {
            this.meter.addFrames(frames.length);
            this.#media?.onFrames(stream, frames);
          },
          onKeyframe: (stream) => this.#media?.onKeyframe(stream),
          onEncoderReplaced: (replacement) => this.#media?.onEncoderReplaced(replacement),
          onEncodedFrame: (frame) => this.#media?.onEncodedFrame(frame),
          onEncodedAudio: (packet) => this.#media?.onEncodedAudio(packet),
          onRestarting: (reason) => this.#onRestarting(reason),
          onRestarted: () => this.#onRestarted(),
          onEnded: (error) => this.#life.fail(error),
        },
        signal,
        { streamId: this.streamId },
      );
      this.#render = render;
      render.setProgramInput(this.viewers.control.program.input);
      if (this.#pageState !== undefined) render.setPageState(this.#pageState);
      if (this.#life.endReason === undefined) this.#goLive(render);
    } catch (thrown) {
      this.#life.fail(signal.aborted ? asError(signal.reason) : asError(thrown));
    } finally {
      limit.cancel();
    }
  }

  #goLive(render: RestartableRender): void {
    const { maxBitrateBps } = this.#request.renderOptions;
    this.#media = new SessionMedia(
      {
        render,
        format: this.#renderOptions,
        bitrateBps: maxBitrateBps,
        pauseGraceMs: this.#settings.pauseGraceMs,
        maxRungs: this.#settings.maxRungs,
        replayOnJoin: this.#settings.replayOnJoin,
        parts: { ...this.#parts, counters: this.meter.counters },
        streamId: this.streamId,
        logger: this.#logger,
      },
      {
        onVideoStats: (stats, rungs) => this.#document.showVideo(stats, rungs),
        onVideoIdle: () => this.#document.showNoVideo(),
        onMediaError: (error) => this.#life.fail(error),
      },
    );
    this.#showRender(render);
    this.viewers.goLive(this.#media, render.controls);
    this.#onViewerChange();
    this.#logger.info({ capture: render.kind, pid: render.browserPid }, 'session is live');
  }

  #showRender(render: RestartableRender): void {
    this.meter.setProcess(render.processPid);
    this.#document.showRender(render);
  }

  #onRestarting(reason: StreamKitError | undefined): void {
    this.#media?.onRestarting();
    const code = reason?.code ?? 'restart_requested';
    this.#restarting = true;
    this.#document.showRestarting();
    this.#document.showFault(code, reason?.message ?? 'A client asked for a restart');
    this.#onViewerChange();
    this.#parts.observe('session:restart', { streamId: this.streamId, code });
  }

  #onRestarted(): void {
    this.#restarting = false;
    if (this.#render !== undefined) this.#showRender(this.#render);
    this.#onViewerChange();
  }

  /** Brings the state document in line with the viewers as they are now. */
  #onViewerChange(): void {
    const summary = this.viewers.summary();
    const { attached } = summary;
    const streaming = summary.streaming || this.publications.isLive;
    const isLive = this.#life.endReason === undefined && this.#media !== undefined;
    const status =
      this.#restarting || this.#departing ? 'initializing' : streaming ? 'streaming' : 'connecting';
    this.#document.showViewers(summary, isLive ? status : undefined);
    this.meter.setViewers(attached);
    if (this.#life.endReason !== undefined) return;
    if (this.#render !== undefined && attached !== this.#viewerCountTold) {
      this.#viewerCountTold = attached;
      this.#render.setViewerCount(attached);
    }
    this.#life.setWatched(attached > 0);
  }

  #liveOr(sentence: string): { render: RestartableRender; media: SessionMedia } {
    if (this.#life.endReason !== undefined) throw new StreamKitError('conflict', 'The session has ended');
    if (this.#departing) throw departing();
    if (this.#media === undefined || this.#render === undefined) {
      throw new StreamKitError('unavailable', sentence, { headers: { 'Retry-After': '1' } });
    }
    return { render: this.#render, media: this.#media };
  }

  #closePublications(by: { readonly clock: Clock; readonly logger: Logger }): Promise<void> {
    this.viewers.overflow?.onPublicationsClosing();
    return closePart('publications', this.publications.close(), by);
  }

  async #shutDown(reason: SessionEndReason): Promise<void> {
    this.#launchAbort.abort();
    const by = { clock: this.#parts.clock, logger: this.#logger };
    const publications = this.#closePublications(by);
    await closePart('viewers', this.viewers.close(reason), by);
    await publications;
    this.#onViewerChange();
    await closePart('media', this.#media?.close(), by);
    await this.meter.sample();
    const isStaying = reason !== 'moved' && !this.#departing;
    const stored = isStaying ? this.#profile.store(this.#media && this.#render, this.#life.error) : undefined;
    await closePart('profile', stored, by);
    const renderClosed = this.#launched.then(() => this.#render?.close());
    await closePart('render', renderClosed, by);
    await closePart('files', Promise.all([this.files.close(), this.#arrival?.archive?.remove()]), by);
    await closePart('lock', this.#profile.release(), by);
    this.meter.close();
    this.#document.showNoProcess();
  }
}

/** For now: it can be asked again where it has gone. */
export function departing(): StreamKitError {
  const headers = { 'Retry-After': '1' };
  return new StreamKitError('unavailable', 'The session is moving to another server', { headers });
}
