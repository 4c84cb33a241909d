import { isDeepStrictEqual } from 'node:util';

import type { Clock, Timer } from '../base/clock.js';
import { pause } from '../base/deadline.js';
import type { VideoCodec } from '../render/encode/encoded-frame.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { OverflowMember, SessionOverflow } from '../overflow/session-overflow.js';
import type { MediaSource, MediaSourceKind } from '../protocol/media-source.js';
import { type IceServerOption, type IceServers, NO_ICE_SERVERS } from '../options/ice-server-options.js';
import type { Caller } from './caller.js';
import { EventDelivery } from './event-delivery.js';
import type { EventSink } from './event-sink.js';
import { customSignal, RECONNECT_SOON } from './server-sent-event.js';
import { parseCandidatePayload, parseSdpPayload } from './signal-payloads.js';
import type { StatePublisher } from './state-publisher.js';
import type { Viewer, ViewerLink } from './viewer.js';
import type { InputListener } from './viewer-input.js';
import type { ViewerWishes } from './viewer-limits.js';
import type { ViewerMedia, ViewerMediaListener } from './viewer-media.js';

/** What flows back from a link to its session. */
export interface EventStreamLinkListener {
  /** The event stream came or went, or the media changed. */
  onViewerChange(): void;
  /** The viewer was away for longer than it may be. */
  onViewerGone(viewer: Viewer): void;
  /** Opens its peer; null where the session has ended. */
  openMedia(
    link: EventStreamLink,
    listener: Pick<ViewerMediaListener, 'sendSignal' | 'input'>,
  ): ViewerMedia | null;
}

export interface EventStreamLinkParameters {
  readonly viewer: Viewer;
  /** What it is offered, best first. */
  readonly videoCodecs: readonly VideoCodec[];
  /** It came for media, not for the state alone. */
  readonly wantsMedia: boolean;
  /** Where else it can get its media from. */
  readonly mediaSources: readonly MediaSourceKind[];
  /** Undefined: its media comes from here. */
  readonly overflow: SessionOverflow | undefined;
  readonly clock: Clock;
  readonly publisher: StatePublisher;
  /** How long it may be away, ms. */
  readonly reattachMs: number;
}

export interface ViewerRequest {
  readonly caller: Caller;
  /** Of an earlier event stream. One that is unknown or gone makes a new viewer. */
  readonly viewerId: string | undefined;
  /** The one codec that the client wants. */
  readonly videoCodec: VideoCodec | undefined;
  /** What it wants at most; default: no limit. */
  readonly wishes?: ViewerWishes;
  /** The client wants media by a peer. */
  readonly media: boolean;
  /** Where else its client can take its media from. Default: from nowhere. */
  readonly mediaSources?: readonly MediaSourceKind[];
}

/** Finds out which ICE servers a viewer may use now. Never rejects. */
export type FindIceServers = () => Promise<IceServers>;

/** How long a new viewer may take to its event stream, ms, whatever its time to come back is. */
const LEAST_ARRIVAL_MS = 10_000;

/** How long the peer of a viewer whose session has moved stays open, ms: so that the client learns of the move from its event stream first. */
const MOVED_PEER_MS = 500;

/** How one event stream of a viewer begins. */
export interface AttachOptions {
  /** The client wants media, not the state alone. */
  readonly media: boolean;
  /** Number of the last patch that the client has seen. */
  readonly lastEventId: number | undefined;
  /** Sent before everything else. */
  readonly preamble?: Uint8Array;
}

/** The event stream of a viewer, which it may lose for a while, and the peer that is offered over it, which stays meanwhile. */
export class EventStreamLink implements ViewerLink, OverflowMember {
  readonly viewer: Viewer;
  readonly #parameters: EventStreamLinkParameters;
  readonly #listener: EventStreamLinkListener;
  #delivery: EventDelivery | undefined;
  #media: ViewerMedia | undefined;
  #awayTimer: Timer | undefined;
  #awaySinceUs: number | undefined;
  #findIceServers: FindIceServers = () => Promise.resolve(NO_ICE_SERVERS);
  #iceServers = NO_ICE_SERVERS;
  #closing: Promise<void> | undefined;
  #closeReason: string | undefined;

  /** The viewer counts as away from the start: a request that never gets to its event stream leaves nothing behind. */
  constructor(parameters: EventStreamLinkParameters, listener: EventStreamLinkListener) {
    this.viewer = parameters.viewer;
    this.#parameters = parameters;
    this.#listener = listener;
    this.#startAwayTimer(Math.max(parameters.reattachMs, LEAST_ARRIVAL_MS));
  }

  /** The event stream is open. */
  get attached(): boolean {
    return this.#delivery !== undefined;
  }

  /** When it lost its event stream; undefined while it has one, and before its first. */
  get awaySinceUs(): number | undefined {
    return this.#awaySinceUs;
  }

  /** Undefined where it has, or had, no peer. */
  get media(): ViewerMedia | undefined {
    return this.#media;
  }

  /**
   * Its connection was up and has ended. The browser's end of it is of no more use, so the client is to begin anew, which
   * it does as a new viewer.
   */
  get isLost(): boolean {
    // One that still has its picture from elsewhere has lost nothing.
    return this.#media?.state === 'closed' && this.#media.wasConnected && !this.isElsewhere;
  }

  get wantsMedia(): boolean {
    return this.#parameters.wantsMedia;
  }

  get isElsewhere(): boolean {
    return this.#parameters.overflow?.isElsewhere(this) === true;
  }

  get description(): OverflowMember['description'] {
    const { publicId, caller } = this.viewer;
    return {
      publicId,
      ...(caller.id === undefined ? {} : { callerId: caller.id }),
      ...(caller.context === undefined ? {} : { callerContext: caller.context }),
    };
  }

  get mediaSources(): readonly MediaSourceKind[] {
    return this.#parameters.mediaSources;
  }

  get isPlaying(): boolean {
    return this.viewer.role === 'controller';
  }

  get peerState(): OverflowMember['peerState'] {
    return this.#media?.state;
  }

  get videoCodecs(): readonly VideoCodec[] {
    return this.#parameters.videoCodecs;
  }

  get iceServers(): IceServers {
    return this.#iceServers;
  }

  /**
   * To be called before {@link attach}. A peer that there is already keeps its servers until it restarts ICE.
   *
   * @param media - the client wants media by a peer now; otherwise it may ask for one later.
   */
  async prepareMedia(findIceServers: FindIceServers, media = true): Promise<void> {
    this.#findIceServers = findIceServers;
    if (media && !this.#hasPeer()) this.#iceServers = await findIceServers();
  }

  /** Takes an event stream; an earlier one is told `closed` and ends. */
  attach(sink: EventSink, options: AttachOptions): void {
    const { publisher } = this.#parameters;
    const { id, publicId, input } = this.viewer;
    const iceServers = this.#iceServers.viewer;
    const previous = this.#delivery;
    this.#delivery = undefined;
    previous?.end(customSignal('closed', { reason: 'taken_over' }));

    // One that watches the state alone has no way to send input.
    if (options.media && this.#closeReason === undefined) input.seat.arrive();
    const { role } = input.seat;
    const delivery = new EventDelivery(sink, publisher, () => this.#onClosed(delivery));
    if (options.preamble !== undefined) delivery.sendSignal(options.preamble);
    delivery.sendSignal(customSignal('viewer', { viewerId: id, role, iceServers, publicId }));
    delivery.sendState(options.lastEventId);
    if (this.#closeReason !== undefined) {
      delivery.end(lastWords(this.#closeReason));
      return;
    }
    this.#awayTimer?.cancel();
    this.#awaySinceUs = undefined;
    this.#delivery = delivery;
    if (this.#hasPeer()) this.#media?.resendSignals();
    else if (options.media && this.#parameters.overflow?.begin(this) !== true) this.#offerMedia();
    this.#listener.onViewerChange();
  }

  #offerMedia(): void {
    const input: InputListener = this.viewer.input.listener();
    const media = this.#listener.openMedia(this, { sendSignal: (event) => this.sendSignal(event), input });
    if (media === null) return;
    this.#media = media;
    void media.start();
  }

  /** The client has dropped its end, and tries again with a new one. Its WebSocket, if it has one, goes on meanwhile. */
  async #replacePeer(): Promise<void> {
    await this.#media?.close();
    this.#iceServers = await this.#findIceServers();
    // Two requests may have waited beside each other.
    if (this.#hasPeer() || this.#closeReason !== undefined) return;
    this.sendSignal(customSignal('ice_servers', { iceServers: this.#iceServers.viewer }));
    this.#offerMedia();
    this.#listener.onViewerChange();
  }

  sendSource(source: MediaSource): void {
    this.sendSignal(customSignal('media_source', source));
    this.#listener.onViewerChange();
  }

  serve(): void {
    this.#replacePeer().catch((thrown: unknown) => {
      this.viewer.log.logger.warn({ err: asError(thrown) }, 'a viewer was not offered a connection');
    });
  }

  refuse(): void {
    const delivery = this.#delivery;
    this.#delivery = undefined;
    // Without `closed`: it is to come again, and to be told by the status of the answer.
    delivery?.end();
    this.#listener.onViewerGone(this.viewer);
  }

  sendPatches(): void {
    this.#delivery?.sendPatches();
  }

  /** False: no event stream is open. */
  sendSignal(event: Uint8Array): boolean {
    if (this.#delivery === undefined) return false;
    this.#delivery.sendSignal(event);
    return true;
  }

  /**
   * A signal from the client.
   *
   * @throws StreamKitError `bad_request` for an unknown type, `conflict` where nothing of the kind is expected,
   * `unprocessable` for a payload that is none, `at_capacity`, `no_such_viewer` where a restart is of no more use or control
   * is given to nobody, `forbidden` for control that it may not have or give.
   */
  async acceptSignal(type: string, payload: unknown): Promise<void> {
    const { overflow } = this.#parameters;
    if (await this.viewer.input.acceptSignal(type, payload)) {
      overflow?.onControl();
      return;
    }
    switch (type) {
      case 'sdp_answer':
        return this.#openMediaOr('No offer is outstanding').acceptAnswer(parseSdpPayload(payload));
      case 'ice_candidate':
        return this.#openMediaOr('No offer was made').addIceCandidate(parseCandidatePayload(payload));
      case 'ice_restart':
        if (this.isLost)
          throw new StreamKitError('no_such_viewer', 'The connection has ended: come as a new viewer');
        return this.#openMediaOr('There is no connection to restart').restartIce(() =>
          this.#renewIceServers(),
        );
      case 'request_offer':
        overflow?.recall(this);
        return this.#replacePeer();
      case 'set_wishes':
        this.viewer.setWishes(payload);
        return;
      default:
        throw new StreamKitError('bad_request', `Unknown signal type ${JSON.stringify(type.slice(0, 80))}`);
    }
  }

  /** Tells the client, ends the event stream and shuts the peer. Idempotent. */
  close(reason: string): Promise<void> {
    this.#closing ??= this.#close(reason);
    return this.#closing;
  }

  async #close(reason: string): Promise<void> {
    this.#closeReason = reason;
    this.#awayTimer?.cancel();
    const delivery = this.#delivery;
    // Before the stream ends: its end is then no loss to wait for.
    this.#delivery = undefined;
    delivery?.end(lastWords(reason));
    if (reason === 'moved' && delivery !== undefined) {
      await pause(this.#parameters.clock, MOVED_PEER_MS);
    }
    await this.#media?.close();
  }

  #hasPeer(): boolean {
    return this.#media !== undefined && this.#media.state !== 'closed';
  }

  /** Credentials for a relay may have expired since the viewer came. */
  async #renewIceServers(): Promise<readonly IceServerOption[]> {
    const before = this.#iceServers.viewer;
    this.#iceServers = await this.#findIceServers();
    const { viewer: iceServers, server } = this.#iceServers;
    // A viewer that is away finds them in its first event when it is back.
    if (!isDeepStrictEqual(iceServers, before)) {
      this.sendSignal(customSignal('ice_servers', { iceServers }));
    }
    return server;
  }

  #openMediaOr(sentence: string): ViewerMedia {
    if (this.#media === undefined || this.#media.state === 'closed') {
      throw new StreamKitError('conflict', sentence);
    }
    return this.#media;
  }

  #onClosed(delivery: EventDelivery): void {
    // One that was taken over has nothing to say any more.
    if (this.#delivery !== delivery) return;
    this.#delivery = undefined;
    this.#awaySinceUs = this.#parameters.clock.nowUs();
    this.#startAwayTimer(this.#parameters.reattachMs);
    this.#listener.onViewerChange();
  }

  #startAwayTimer(delayMs: number): void {
    this.#awayTimer = this.#parameters.clock.after(delayMs, () => {
      this.#listener.onViewerGone(this.viewer);
    });
  }
}

/** A session that has moved is found again under the same address. */
function lastWords(reason: string): Uint8Array {
  return reason === 'moved' ? RECONNECT_SOON : customSignal('closed', { reason });
}
