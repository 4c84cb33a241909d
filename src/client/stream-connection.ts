import { Backoff } from './backoff.js';
import { EventHub } from './event-hub.js';
import { pause } from './pause.js';
import { Peer } from './peer.js';
import { Playback } from './playback.js';
import { parseServerSignal, type ServerSignal } from './server-signal.js';
import type { StreamSessionState } from './session-state.js';
import { SignalOutbox } from './signal-outbox.js';
import { Signaling, type CreateSessionRequest, type RequestHeaders } from './signaling.js';
import { readEventStream, type SseEvent } from './sse-reader.js';
import { StateStore } from './state-store.js';
import { asStreamError, StreamError } from './stream-error.js';
import type { ConnectionStatus, StreamEvents, ViewerRole } from './stream-events.js';
import { StatsSampler, type StreamStats } from './stream-stats.js';

/** Options of {@link connectStream}. Exactly one of `streamId` and `create` is given. */
export interface ConnectStreamOptions {
  /** Where the router is mounted, such as `/stream` or `https://host/stream`. */
  url: string;
  /** Joins this session. */
  streamId?: string | undefined;
  /** Creates a session and joins it. */
  create?: CreateSessionRequest | undefined;
  /** Headers for every request, such as `authorization`, or a function that makes them. */
  headers?: RequestHeaders | undefined;
  /** Of every request. Default `same-origin`. */
  credentials?: RequestCredentials | undefined;
  /** The one codec to be offered. Default: what the session offers. */
  videoCodec?: 'h264' | 'vp8' | undefined;
  /** Bound of the picture's height in pixels, for a small screen or a slow line. */
  maxHeight?: number | undefined;
  /** `none`: state and messages only. Default: picture and sound. */
  media?: 'none' | undefined;
  /** Shows the stream. Without it, take the stream from the `media` event. */
  video?: HTMLVideoElement | undefined;
  onState?: ((change: StreamEvents['state']) => void) | undefined;
  onStatus?: ((status: ConnectionStatus) => void) | undefined;
  onError?: ((error: StreamError) => void) | undefined;
  /** Default the global fetch. */
  fetch?: typeof fetch | undefined;
}

/** Three of the server's comment lines, one every 15 s, missed: the connection is dead though nobody said so. */
const SILENCE_TIMEOUT_MS = 45_000;

/**
 * One viewer of a session. It opens the event stream, keeps it open, and answers the server's offers. The
 * viewer's id survives a lost event stream, and with it the peer and the picture.
 */
export class StreamConnection {
  readonly #options: ConnectStreamOptions;
  readonly #signaling: Signaling;
  readonly #events = new EventHub<StreamEvents>();
  readonly #store = new StateStore();
  readonly #backoff = new Backoff();
  readonly #sampler = new StatsSampler();
  readonly #playback: Playback | undefined;
  readonly #abort = new AbortController();
  #attempt = new AbortController();
  #status: ConnectionStatus = 'connecting';
  #streamId: string | undefined;
  #viewerId: string | undefined;
  #role: ViewerRole = 'viewer';
  #peer: Peer | undefined;
  #outbox: SignalOutbox | undefined;

  /** Use {@link connectStream}. */
  constructor(options: ConnectStreamOptions) {
    if ((options.streamId === undefined) === (options.create === undefined)) {
      throw new TypeError('connectStream needs either streamId or create');
    }
    this.#options = options;
    this.#signaling = new Signaling(options);
    this.#streamId = options.streamId;
    if (options.video) {
      this.#playback = new Playback(options.video, () => this.#events.emit('autoplayBlocked', undefined));
    }
    if (options.onState) this.on('state', options.onState);
    if (options.onStatus) this.on('status', options.onStatus);
    if (options.onError) this.on('error', options.onError);
    // Begins after the caller had the chance to add listeners.
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

  get role(): ViewerRole {
    return this.#role;
  }

  /** The session's state; treat it as frozen. Survives reconnections and the end. */
  get state(): StreamSessionState | undefined {
    return this.#store.state;
  }

  /** The stream of the present peer. */
  get stream(): MediaStream | undefined {
    return this.#peer?.stream;
  }

  /** Whether the element of `video` is muted because the browser wants a gesture first. */
  get autoplayBlocked(): boolean {
    return this.#playback?.autoplayBlocked ?? false;
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

  giveControl(viewerId: string): Promise<void> {
    return this.#post('give_control', { viewerId });
  }

  /** Sends an input message over the data channel. @returns false while that is not open. */
  sendInput(message: object): boolean {
    return this.#peer?.sendInput(JSON.stringify(message)) ?? false;
  }

  /** How the media is doing; bitrate and jitter buffer are means since the call before. */
  async stats(): Promise<StreamStats> {
    return this.#sampler.sample((await this.#peer?.getStats()) ?? new Map<string, unknown>());
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

  /** Leaves the session. Idempotent; no timer, request or peer is left. */
  close(): void {
    this.#end('closed', 'client');
  }

  async #run(): Promise<void> {
    try {
      const streamId = this.#streamId ?? (await this.#create());
      this.#events.emit('session', { streamId });
      await this.#follow(streamId);
    } catch (thrown) {
      if (this.#isEnded()) return;
      this.#fail(asStreamError(thrown));
    }
  }

  async #create(): Promise<string> {
    const { create } = this.#options;
    if (create === undefined || this.#abort.signal.aborted) throw new StreamError('closed', 'Closed.');
    this.#setStatus('creating');
    const { streamId, initialState } = await this.#signaling.createSession(create, this.#abort.signal);
    this.#streamId = streamId;
    this.#store.seed(initialState);
    this.#events.emit('state', {
      state: initialState,
      operations: [{ op: 'replace', path: '', value: initialState }],
    });
    this.#events.emit('sessionStatus', initialState.status);
    return streamId;
  }

  /** Opens the event stream again and again until the connection ends. */
  async #follow(streamId: string): Promise<void> {
    this.#setStatus('connecting');
    while (!this.#isEnded()) {
      let waitMs = 0;
      try {
        await this.#attach(streamId);
      } catch (thrown) {
        if (this.#isEnded()) return;
        const error = asStreamError(thrown);
        if (error.code === 'no_such_viewer') this.#dropViewer();
        else if (!error.retryable) throw error;
        if (error.code === 'protocol') this.#store.forgetPosition();
        this.#events.emit('error', error);
        waitMs = error.retryAfterMs ?? 0;
      }
      if (this.#isEnded()) return;
      this.#peer?.signalingLost();
      this.#setStatus('reconnecting');
      await pause(Math.max(waitMs, this.#backoff.nextMs()), this.#abort.signal);
    }
  }

  /** One event stream, from request to end. */
  async #attach(streamId: string): Promise<void> {
    const attempt = new AbortController();
    this.#attempt = attempt;
    const abort = (): void => attempt.abort();
    this.#abort.signal.addEventListener('abort', abort);
    let silence = setTimeout(abort, SILENCE_TIMEOUT_MS);
    const { media, videoCodec, maxHeight } = this.#options;
    try {
      const body = await this.#signaling.openEvents(
        streamId,
        { viewerId: this.#viewerId, media, videoCodec, maxHeight },
        this.#store.lastEventId,
        attempt.signal,
      );
      await readEventStream(body, {
        onEvent: (event) => {
          if (!attempt.signal.aborted) this.#takeEvent(event);
        },
        onRetry: (retryMs) => this.#backoff.setBaseMs(retryMs),
        onActivity: () => {
          clearTimeout(silence);
          silence = setTimeout(abort, SILENCE_TIMEOUT_MS);
        },
      });
    } catch (thrown) {
      // An aborted attempt is a silent connection given up, or one whose viewer is renewed: try again.
      if (attempt.signal.aborted)
        throw new StreamError('network', 'The event stream was lost.', { cause: thrown });
      throw thrown;
    } finally {
      clearTimeout(silence);
      this.#abort.signal.removeEventListener('abort', abort);
    }
  }

  #takeEvent(event: SseEvent): void {
    if (event.type === 'state_patch') {
      const statusBefore = this.#store.state?.status;
      const operations = this.#store.apply(event.data, event.lastEventId);
      const { state } = this.#store;
      if (operations === undefined || state === undefined) return;
      this.#events.emit('state', { state, operations });
      if (state.status !== statusBefore) this.#events.emit('sessionStatus', state.status);
    } else if (event.type === 'custom_signal') {
      const signal = parseServerSignal(event.data);
      if (signal !== undefined) this.#takeSignal(signal);
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
        this.#peer?.accept(signal);
        break;
      case 'role':
        this.#role = signal.role;
        this.#events.emit('role', { role: signal.role, controllerId: signal.controllerId });
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
    this.#backoff.reset();
    this.#role = signal.role;
    if (signal.viewerId !== this.#viewerId) {
      this.#dropViewer();
      this.#viewerId = signal.viewerId;
      if (this.#options.media !== 'none') this.#openPeer(signal.viewerId, signal.iceServers);
    } else {
      this.#peer?.signalingRestored(signal.iceServers);
    }
    this.#setStatus('connected');
    this.#events.emit('viewer', { viewerId: signal.viewerId, role: signal.role });
  }

  #openPeer(viewerId: string, iceServers: RTCIceServer[]): void {
    const outbox = new SignalOutbox(
      (type, payload, signal) =>
        this.#signaling.postSignal(this.#streamId ?? '', { viewerId, type, payload }, signal),
      (type, error) => {
        if (error.code === 'no_such_viewer' || type === 'sdp_answer') this.#renewViewer(error);
      },
    );
    const peer = new Peer(iceServers, {
      onAnswer: (sdp) => outbox.enqueue('sdp_answer', sdp),
      onIceCandidate: (candidate) => outbox.enqueue('ice_candidate', candidate),
      onIceRestartWanted: () => outbox.enqueue('ice_restart'),
      onTrack: (track) => this.#events.emit('track', track),
      onConnectionStateChange: (state) => this.#events.emit('peerState', state),
      onInputMessage: (text) => this.#takeInput(text),
      onFailed: (error) => this.#fail(error),
    });
    this.#outbox = outbox;
    this.#peer = peer;
    this.#playback?.show(peer.stream);
    this.#events.emit('media', peer.stream);
  }

  #takeInput(text: string): void {
    try {
      this.#events.emit('input', JSON.parse(text));
    } catch {
      this.#events.emit('error', new StreamError('protocol', 'A message on the input channel is not JSON.'));
    }
  }

  /** The server knows this viewer no more, or could not be answered: come back as a new one. */
  #renewViewer(error: StreamError): void {
    this.#dropViewer();
    this.#events.emit('error', error);
    this.#attempt.abort();
  }

  #dropViewer(): void {
    this.#viewerId = undefined;
    this.#outbox?.close();
    this.#outbox = undefined;
    this.#peer?.close();
    this.#peer = undefined;
    this.#sampler.reset();
  }

  async #post(
    type: 'message' | 'request_control' | 'release_control' | 'give_control',
    payload?: unknown,
  ): Promise<void> {
    const viewerId = this.#viewerId;
    if (this.#streamId === undefined || viewerId === undefined) {
      throw new StreamError('closed', 'There is no connection to the session.');
    }
    await this.#signaling.postSignal(this.#streamId, { viewerId, type, payload }, this.#abort.signal);
  }

  #isEnded(): boolean {
    return this.#abort.signal.aborted;
  }

  #setStatus(status: ConnectionStatus): void {
    if (this.#status === status || this.#isEnded()) return;
    this.#status = status;
    this.#events.emit('status', status);
  }

  #fail(error: StreamError): void {
    if (this.#isEnded()) return;
    this.#events.emit('error', error);
    this.#end('failed', error.code);
  }

  #end(status: 'closed' | 'failed', reason: string): void {
    if (this.#isEnded()) return;
    this.#setStatus(status);
    this.#abort.abort();
    this.#dropViewer();
    this.#playback?.clear();
    this.#events.emit('closed', { reason });
  }
}

/**
 * Connects to a session, or creates one first. Returns at once; everything that happens is told by events, and
 * what cannot be mended by `status` becoming `failed` after an `error` that says why.
 *
 * @throws TypeError when not exactly one of `streamId` and `create` is given.
 */
export function connectStream(options: ConnectStreamOptions): StreamConnection {
  return new StreamConnection(options);
}
