import { reportedError, type ClientReport } from '../diagnose/client-report.js';
import { EventFeed, type EventPosition } from './event-feed.js';
import { EventHub } from './event-hub.js';
import { MediaTransport, type Media } from '../media/media-transport.js';
import { PeerStats } from '../diagnose/peer-stats.js';
import { Playback } from '../media/playback.js';
import type { SessionDiagnostics } from '../../protocol/session-diagnostics.js';
import type { PictureClock } from './picture-clock.js';
import { parseServerSignal, type ServerSignal } from './server-signal.js';
import type { StreamSessionState } from '../../protocol/state-document.js';
import { Signaling, type ClientSignalType } from './signaling.js';
import type { SseEvent } from './sse-reader.js';
import { StateStore } from './state-store.js';
import { asStreamError, notConnected, StreamError } from './stream-error.js';
import type {
  ConnectionStatus,
  MediaTransportName,
  StateChange,
  StreamEvents,
  ViewerRole,
} from './stream-events.js';
import { checkStreamOptions, type ConnectStreamOptions } from './stream-options.js';
import type { StreamStats } from '../diagnose/stream-stats.js';
import type { ViewerBounds, ViewerBoundsChange } from '../../protocol/viewer-bounds.js';
import { WakeEvents, type WakeReason } from './wake-events.js';
import { WishQueue } from './wish-queue.js';

/** How often another viewer is tried after media that could not be saved, with no connection in between. */
const MAX_REJOINS = 2;
/** What another viewer would fail of as well. */
const FINAL_CODES = new Set(['no_codec', 'webrtc_unsupported', 'unprocessable']);

/**
 * One viewer of a session. It keeps the event stream open, and answers the server's offers. The viewer's id survives a lost
 * event stream, and with it peer and picture. A lost picture comes back by an ICE restart, at last as another viewer.
 */
export class StreamConnection {
  readonly #options: ConnectStreamOptions;
  readonly #signaling: Signaling;
  /** What another viewer would ask for. */
  #wishes: ViewerBounds;
  /** The viewer that there is, or that is joining, may have those before. */
  #wishesAreLate = false;
  readonly #wishQueue = new WishQueue((change) => this.#changeWishes(change));
  readonly #events = new EventHub<StreamEvents>();
  readonly #store = new StateStore();
  readonly #stats = new PeerStats();
  readonly #reportStats = new PeerStats();
  readonly #playback = new Playback((blocked) => this.#events.emit('autoplayBlocked', blocked));
  readonly #wakeEvents: WakeEvents;
  readonly #abort = new AbortController();
  readonly #feed: EventFeed;
  #status: ConnectionStatus = 'connecting';
  #streamId: string | undefined;
  #viewerId: string | undefined;
  #publicId: string | undefined;
  #role: ViewerRole = 'viewer';
  readonly #transport: MediaTransport;
  #media: Media | undefined;
  /** Why viewers lost their media since it stood last; so many others were tried. */
  #mediaErrors: StreamError[] = [];
  #lastError: StreamError | undefined;
  /** As it was told last. */
  #state: StreamSessionState | undefined;
  #pictureClock: PictureClock<StateChange> | undefined;

  /** Use `connectStream`. */
  constructor(options: ConnectStreamOptions) {
    checkStreamOptions(options);
    this.#options = options;
    this.#wishes = { maxHeight: options.maxHeight ?? null, maxBitrateBps: options.maxBitrateBps ?? null };
    this.#signaling = new Signaling(options);
    this.#transport = new MediaTransport(options, (transport) => this.#events.emit('transport', transport));
    this.#streamId = options.streamId;
    this.#playback.showIn(options.video);
    if (options.timing === 'picture') void this.#openPictureClock();
    if (options.onState) this.on('state', options.onState);
    if (options.onStatus) this.on('status', options.onStatus);
    if (options.onError) this.on('error', options.onError);
    this.#feed = new EventFeed(this.#signaling, this.#abort.signal, {
      position: () => this.#position(),
      onEvent: (event) => this.#takeEvent(event),
      onError: (error) => this.#takeFeedError(error),
      onLost: () => {
        this.#media?.signalingLost();
        this.#setStatus('reconnecting');
      },
    });
    this.#wakeEvents = new WakeEvents((reason) => this.#wake(reason));
    // Begins after the caller had the chance to add listeners, or to close again.
    queueMicrotask(() => void this.#run());
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  /** undefined until the session is made. */
  get streamId(): string | undefined {
    return this.#streamId;
  }

  get viewerId(): string | undefined {
    return this.#viewerId;
  }

  /** By which others may know this viewer, as in the server's diagnostics. Not a secret. */
  get publicId(): string | undefined {
    return this.#publicId;
  }

  get role(): ViewerRole {
    return this.#role;
  }

  /** Public id of the viewer that has control; null: nobody. */
  get controllerId(): string | null {
    return this.state?.metadata.controllerId ?? null;
  }

  /** The session's state as it was told last; treat it as frozen. Survives reconnections and the end. */
  get state(): StreamSessionState | undefined {
    return this.#state;
  }

  /** The way that media takes; undefined until it has come one way. */
  get transport(): MediaTransportName | undefined {
    return this.#transport.current;
  }

  /** The stream of the present peer, or of the WebSocket. */
  get stream(): MediaStream | undefined {
    return this.#media?.stream;
  }

  /** Whether the video is muted, or does not play, because the browser wants a gesture first. */
  get autoplayBlocked(): boolean {
    return this.#playback.blocked !== undefined;
  }

  /** Plays with sound; call it from a click. Rejects where the browser refuses still. */
  play(): Promise<void> {
    return this.#playback.playWithSound();
  }

  /** Shows the stream in another element than that of `video`, or in none. */
  showIn(video: HTMLVideoElement | undefined): void {
    if (this.#isEnded()) return;
    this.#playback.showIn(video);
    this.#pictureClock?.follow(video);
  }

  /** Adds a listener. @returns A function that removes it. */
  on<Name extends keyof StreamEvents>(name: Name, listener: (value: StreamEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** Sends a message to the page, which gets it by `window.streamKit.on('message')`. */
  send(message: unknown): Promise<void> {
    return this.#post('message', message);
  }

  /** Asks to be the controller; the `role` event tells the outcome. */
  requestControl(): Promise<void> {
    return this.#post('request_control');
  }

  releaseControl(): Promise<void> {
    return this.#post('release_control');
  }

  giveControl(publicId: string): Promise<void> {
    return this.#post('give_control', { publicId });
  }

  /**
   * Changes what this viewer gets at most, without a gap in picture or sound. What is left out stays; null lifts a bound. Rejects with a
   * StreamError; what the server has not refused as `unprocessable` is then sent again with the next event stream. While there is none
   * it resolves without an answer. A WebSocket is not bounded. One request is under way at a time; changes that wait for it are sent
   * as one, and are refused as one.
   */
  setWishes(change: ViewerBoundsChange): Promise<void> {
    return this.#wishQueue.add(change);
  }

  /** Sends an input message. @returns false while the data channel is not open, or more bytes wait in it. */
  sendInput(message: object, maxWaitingBytes?: number): boolean {
    return this.#media?.sendInput(JSON.stringify(message), maxWaitingBytes) ?? false;
  }

  /** Takes a file to the server, for the answer `{type: 'file_chooser', id, fileIds}`. */
  uploadFile(file: File): Promise<{ fileId: string }> {
    return this.#signaling.postFile(this.#streamId ?? '', file, this.#abort.signal);
  }

  /** How the media is doing; rates and means are of the time since the call before. */
  stats(): Promise<StreamStats> {
    return this.#stats.sample(this.#media);
  }

  /** All that this end knows of the connection, for `diagnose`; rates and means since the report before. */
  async report(): Promise<ClientReport> {
    const media = this.#media;
    const stats = await this.#reportStats.sample(media);
    return {
      status: this.#status,
      publicId: this.#publicId,
      sessionStatus: this.state?.status,
      sessionError: this.state?.error,
      error: reportedError(this.#lastError ?? this.#mediaErrors.at(-1)),
      blocked: this.#playback.blocked,
      peer: media?.report(),
      stats,
    };
  }

  /** What the server knows of the session and its viewers. Rejects with a StreamError. */
  serverDiagnostics(): Promise<SessionDiagnostics> {
    if (this.#streamId === undefined || this.#isEnded()) return Promise.reject(notConnected());
    return this.#signaling.getDiagnostics(this.#streamId, this.#abort.signal);
  }

  /** Ends the session for every viewer, then closes. */
  async terminate(): Promise<void> {
    try {
      if (this.#streamId !== undefined) {
        await this.#signaling.deleteSession(this.#streamId, this.#abort.signal);
      }
    } catch (thrown) {
      // Already gone is what was asked for, and so is the server's `closed` overtaking its own answer.
      const error = asStreamError(thrown);
      if (error.code !== 'no_such_session' && error.code !== 'closed') throw error;
    } finally {
      this.close();
    }
  }

  /**
   * Leaves the session. Idempotent; no timer, listener, request or peer is left, but for a session that is just being
   * created: nobody else will ever know of it, so its answer is awaited and it is ended.
   */
  close(): void {
    this.#end('closed', 'client');
  }

  async #run(): Promise<void> {
    try {
      const streamId = this.#streamId ?? (await this.#create());
      if (this.#isEnded()) return;
      this.#events.emit('session', { streamId });
      this.#setStatus('connecting');
      await this.#feed.follow(streamId);
    } catch (thrown) {
      if (!this.#isEnded()) this.#fail(asStreamError(thrown));
    }
  }

  async #create(): Promise<string> {
    const { create } = this.#options;
    if (create === undefined || this.#isEnded()) throw notConnected();
    this.#setStatus('creating');
    const { signal } = new AbortController();
    const { streamId, initialState } = await this.#signaling.createSession(create, signal);
    if (this.#isEnded()) {
      await this.#signaling.deleteSession(streamId, signal);
      throw notConnected();
    }
    this.#streamId = streamId;
    this.#store.seed(initialState);
    this.#tell({ state: initialState, operations: [{ op: 'replace', path: '', value: initialState }] });
    return streamId;
  }

  #position(): EventPosition {
    const { videoCodec, livekit } = this.#options;
    const { media } = this.#transport;
    const query = {
      viewerId: this.#viewerId,
      media,
      videoCodec,
      ...this.#wishes,
      mediaSources: media ? undefined : livekit === false ? 'whep' : 'whep,livekit',
    };
    return { query, lastEventId: this.#store.lastEventId };
  }

  #takeFeedError(error: StreamError): void {
    if (error.code === 'no_such_viewer') this.#dropViewer();
    if (error.code === 'protocol') this.#store.forgetPosition();
    this.#report(error);
  }

  #takeEvent(event: SseEvent): void {
    if (event.type === 'state_patch') {
      const operations = this.#store.apply(event.data, event.lastEventId);
      const { state } = this.#store;
      if (operations === undefined || state === undefined) return;
      const change = { state, operations };
      if (this.#pictureClock) this.#pictureClock.hold(change, event.time);
      else this.#tell(change);
    } else if (event.type === 'custom_signal') {
      const signal = parseServerSignal(event.data);
      if (signal !== undefined) this.#takeSignal(signal);
    }
  }

  #tell(change: StateChange): void {
    const statusBefore = this.#state?.status;
    const { status } = (this.#state = change.state);
    this.#events.emit('state', change);
    if (status !== statusBefore) this.#events.emit('sessionStatus', status);
  }

  /** Until it is loaded, changes are told as they come. */
  async #openPictureClock(): Promise<void> {
    try {
      const { PictureClock } = await import('./picture-clock.js');
      if (this.#isEnded()) return;
      this.#pictureClock = new PictureClock((change) => this.#tell(change));
      this.#pictureClock.follow(this.#playback.video);
    } catch (thrown) {
      this.#report(asStreamError(thrown));
    }
  }

  #takeSignal(signal: ServerSignal): void {
    switch (signal.type) {
      case 'viewer':
        this.#welcome(signal);
        break;
      case 'ice_servers':
      case 'sdp_offer':
      case 'ice_candidate':
        this.#media?.accept(signal);
        break;
      case 'media_source':
        this.#transport.takeSource(signal.source);
        break;
      case 'role':
        this.#role = signal.role;
        this.#events.emit('role', { role: signal.role, controllerId: signal.controllerId });
        break;
      case 'control_requested':
        this.#events.emit('controlRequested', { publicId: signal.publicId });
        break;
      case 'message':
        this.#events.emit('message', signal.message);
        break;
      case 'closed':
        this.#end('closed', signal.reason);
        break;
    }
  }

  #welcome(signal: Extract<ServerSignal, { type: 'viewer' }>): void {
    this.#role = signal.role;
    this.#publicId = signal.publicId;
    if (signal.viewerId !== this.#viewerId) {
      this.#dropViewer();
      this.#viewerId = signal.viewerId;
      if (this.#options.media !== 'none') this.#openMedia(signal.viewerId, signal.iceServers);
    } else {
      this.#media?.signalingRestored(signal.iceServers);
    }
    if (this.#wishesAreLate)
      this.setWishes({}).catch((thrown: unknown) => this.#report(asStreamError(thrown)));
    this.#setStatus('connected');
    this.#events.emit('viewer', { viewerId: signal.viewerId, role: signal.role });
  }

  async #changeWishes(change: Partial<ViewerBounds>): Promise<void> {
    const wishes = { ...this.#wishes, ...change };
    let viewerId: string | undefined;
    const isStill = (): boolean => this.#viewerId === viewerId && this.#status === 'connected';
    do {
      viewerId = this.#viewerId;
      if (!isStill() || viewerId === undefined) {
        if (this.#isEnded()) throw notConnected();
        this.#wishesAreLate = true;
        break;
      }
      try {
        await this.#post('set_wishes', wishes);
        this.#wishesAreLate = false;
      } catch (thrown) {
        const { code } = asStreamError(thrown);
        if (code === 'unprocessable' || this.#isEnded()) throw thrown;
        this.#wishes = wishes;
        this.#wishesAreLate = true;
        if (isStill()) {
          // Its event stream is about to end.
          if (code === 'no_such_viewer') return;
          throw thrown;
        }
      }
      // Another one may have joined with those before.
    } while (!isStill());
    this.#wishes = wishes;
  }

  #openMedia(viewerId: string, iceServers: RTCIceServer[]): void {
    const streamId = this.#streamId ?? '';
    this.#transport.open(streamId, viewerId, iceServers, this.#signaling.sender(streamId, viewerId), {
      onOpen: (media) => (this.#media = media),
      onMedia: (stream) => {
        this.#playback.show(stream);
        this.#events.emit('media', stream);
      },
      onTrack: (track) => this.#events.emit('track', track),
      onPeerState: (state) => {
        if (state === 'connected') this.#mediaErrors = [];
        this.#events.emit('peerState', state);
      },
      onInputMessage: (text) => this.#takeInput(text),
      onTrouble: (error) => this.#report(error),
      onLost: (error) => this.#rejoin(error),
    });
  }

  #takeInput(text: string): void {
    try {
      // A listener's own error is not thrown to here.
      this.#events.emit('input', JSON.parse(text));
    } catch {
      this.#report(new StreamError('protocol', 'An input message is not JSON'));
    }
  }

  /** This viewer gets no picture any more, or the server knows it no more: come back as another one. */
  #rejoin(error: StreamError): void {
    if (FINAL_CODES.has(error.code) || this.#mediaErrors.length >= MAX_REJOINS) {
      this.#fail(error);
      return;
    }
    this.#mediaErrors.push(error);
    this.#dropViewer();
    this.#report(error);
    this.#feed.retryNow();
  }

  #dropViewer(): void {
    this.#viewerId = undefined;
    this.#transport.close();
    this.#media = undefined;
    this.#stats.reset();
    this.#reportStats.reset();
  }

  #wake(reason: WakeReason): void {
    this.#media?.wake();
    this.#playback.wake();
    this.#feed.wake(reason);
  }

  async #post(type: ClientSignalType, payload?: unknown): Promise<void> {
    const viewerId = this.#viewerId;
    if (this.#streamId === undefined || viewerId === undefined || this.#isEnded()) throw notConnected();
    await this.#signaling.postSignal(this.#streamId, { viewerId, type, payload }, this.#abort.signal);
  }

  #isEnded(): boolean {
    return this.#abort.signal.aborted;
  }

  #setStatus(status: ConnectionStatus): void {
    if (this.#status === status || this.#isEnded()) return;
    this.#status = status;
    if (status === 'connected') this.#lastError = undefined;
    this.#events.emit('status', status);
  }

  #report(error: StreamError): void {
    this.#lastError = error;
    this.#events.emit('error', error);
  }

  #fail(error: StreamError): void {
    if (this.#isEnded()) return;
    this.#report(error);
    this.#end('failed', error.code);
  }

  #end(status: 'closed' | 'failed', reason: string): void {
    if (this.#isEnded()) return;
    this.#setStatus(status);
    this.#abort.abort();
    this.#wakeEvents.close();
    this.#dropViewer();
    this.#pictureClock?.close();
    this.#playback.close();
    this.#events.emit('closed', { reason });
    this.#events.close();
  }
}
