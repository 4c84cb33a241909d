import type { ViewerBounds } from '../protocol/viewer-bounds.js';
import type { ViewerDiagnostics } from '../protocol/session-diagnostics.js';
import type { PageControls } from '../render/capture/page-controls.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { IceServerOption } from '../options/ice-server-options.js';
import type { Logger } from '../base/logger.js';
import type { Caller } from './caller.js';
import type { MessageSink } from './message-sink.js';
import { type GroupOverflowParameters, openGroupOverflow } from './group-overflow.js';
import type { RenderOptions } from './render-options.js';
import { VIDEO_CODECS } from '../protocol/video-codecs.js';
import { codecsAmong, codecsToOffer } from './render-options.js';
import { secretDigest } from './secret-digest.js';
import type { SessionEndReason } from './session-events.js';
import type { SessionViewer } from './session-viewer.js';
import type { SessionMedia } from './session-media.js';
import type { SessionOverflow } from '../overflow/session-overflow.js';
import { SessionControl } from './session-control.js';
import type { SessionControlListener } from './session-control.js';
import type { SessionParts, SessionSettings } from './session-parts.js';
import type { StatePublisher } from './state-publisher.js';
import { NO_SUCH_VIEWER, type WebSocketLinks, type WebSocketLinksParameters } from './websocket-links.js';
import { EventStreamLink, type ViewerRequest } from './event-stream-link.js';
import { Viewer } from './viewer.js';
import { ViewerLog } from './viewer-log.js';
import type { ViewerWishes } from './viewer-limits.js';
import { ViewerMedia } from './viewer-media.js';
import type { ViewerMediaListener } from './viewer-media.js';
import { CLOSE_POLICY_VIOLATION } from './websocket-link.js';
import { WhepLink } from './whep-link.js';

/** How many event streams are written to before other work has its turn. */
const VIEWERS_PER_TURN = 16;
const RETRY_LATER = { 'Retry-After': '5' };

/** What the viewers of a session come to together. */
export interface ViewerSummary {
  /** Those with an open link. */
  readonly attached: number;
  readonly signalingState: 'idle' | 'negotiating' | 'connected';
  /** Somebody is sent media, or would be if there was any. */
  readonly streaming: boolean;
  /** Every peer there is has gathered its candidates, and there is one. */
  readonly iceCandidatesGathered: boolean;
}

export interface ViewerGroupParameters extends Pick<GroupOverflowParameters, 'published'> {
  readonly streamId: string;
  readonly parts: SessionParts;
  readonly settings: Pick<
    SessionSettings,
    'maxViewersPerSession' | 'maxViewersPerCaller' | 'viewerReattachMs'
  >;
  readonly publisher: StatePublisher;
  readonly renderOptions: Pick<RenderOptions, 'videoCodecs' | 'audio'>;
  /** Makes what takes the WebSockets. */
  readonly openSockets: (hooks: Pick<WebSocketLinksParameters, 'onClosed'>) => WebSocketLinks;
  readonly logger: Logger;
}

export interface ViewerGroupListener extends SessionControlListener {
  /** A viewer came or went by itself. */
  onActivity(): void;
  /** The summary may be another. */
  onChange(): void;
}

/** The viewers of one session, whatever links they have to it. */
export class ViewerGroup {
  readonly #parameters: ViewerGroupParameters;
  readonly #listener: ViewerGroupListener;
  /** By the digests of their secret ids, see {@link secretDigest}. */
  readonly #viewers = new Map<string, Viewer>();
  #admitted = 0;
  readonly sockets: WebSocketLinks;
  /** Undefined: all get their media from here. */
  readonly overflow: SessionOverflow | undefined;
  readonly control: SessionControl;
  #live: SessionMedia | undefined;
  /** What waits for the page to be captured: at most one entry a viewer's peer. */
  #untilLive: ((media: SessionMedia) => void)[] = [];
  #endReason: SessionEndReason | undefined;

  constructor(parameters: ViewerGroupParameters, listener: ViewerGroupListener) {
    this.#parameters = parameters;
    this.#listener = listener;
    const { streamId, parts, settings, logger } = parameters;
    const { clock, openRemoteControl } = parts;
    this.control = new SessionControl({ streamId, openRemoteControl, clock, logger }, listener);
    this.sockets = parameters.openSockets({ onClosed: (viewer) => this.#onSocketClosed(viewer) });
    this.overflow = openGroupOverflow(parameters, {
      load: () => ({ direct: this.#countDirect(), seats: settings.maxViewersPerSession - this.#seated }),
      whenLive: (work) => this.#whenLive(work),
    });
  }

  /**
   * Finds the viewer that comes back with an event stream, or makes a new one.
   *
   * @throws StreamKitError `conflict` for a codec that the session does not have, `no_such_viewer` for one that does not
   * obey the caller, `at_capacity`.
   */
  admit(request: ViewerRequest): EventStreamLink {
    const { parts, settings, publisher, renderOptions } = this.#parameters;
    const { caller, viewerId } = request;
    const videoCodecs = codecsToOffer(renderOptions, request.videoCodec);
    const returning = viewerId === undefined ? undefined : this.find(viewerId, caller);
    // One that has its media by a WebSocket does without the peer.
    if (returning?.isLost === true && request.media) void this.#dismiss(returning.viewer);
    else if (returning !== undefined) return returning;
    // What a media server has is of one codec.
    const { mediaSources = [] } = request.videoCodec === undefined ? request : {};
    const isElsewhere = request.media && this.overflow?.takes(mediaSources) === true;
    if (isElsewhere) this.#checkCaller(caller, 429);
    else {
      this.ensureRoom(caller);
      if (request.media) this.overflow?.expect();
    }
    const viewer = this.#newViewer(caller, request.wishes);
    const link = new EventStreamLink(
      {
        ...{ viewer, videoCodecs, publisher },
        ...{ mediaSources, overflow: this.overflow, wantsMedia: request.media },
        ...{ clock: parts.clock, reattachMs: settings.viewerReattachMs },
      },
      {
        onViewerChange: () => this.#onActivity(),
        onViewerGone: (gone) => void this.#dismiss(gone),
        openMedia: (of, listener) => this.#openViewerMedia(of, listener),
      },
    );
    viewer.link = link;
    if (isElsewhere) this.overflow.reserve(link);
    // A session that has ended shows its last state and why, nothing more.
    if (this.#endReason === undefined) this.#join(viewer);
    else void viewer.close(this.#endReason);
    return link;
  }

  /**
   * Makes a viewer of the offer of a player (WHEP), and the answer to it.
   *
   * @param iceServers - for our end.
   * @throws StreamKitError `unprocessable` for an offer that cannot be served, `at_capacity` (503).
   */
  async admitPlayer(
    caller: Caller,
    offer: string,
    iceServers: readonly IceServerOption[],
  ): Promise<{ player: WhepLink; answer: string }> {
    const { parts, renderOptions } = this.#parameters;
    this.ensureRoom(caller, 503);
    const viewer = this.#newViewer(caller);
    // A player that takes none of the usual codecs gets another one that it offers, where the session may have it.
    const videoCodecs = codecsAmong(renderOptions, VIDEO_CODECS);
    let player: WhepLink;
    try {
      player = new WhepLink(
        {
          viewer,
          openAnsweringPeer: parts.openAnsweringPeer,
          peer: { videoCodecs, audio: renderOptions.audio, iceServers, offer },
        },
        {
          onMediaChange: () => {
            if (player.media.state === 'closed') void this.#dismiss(viewer);
            else this.#listener.onChange();
          },
          whenLive: (work) => this.#whenLive(work),
        },
      );
    } catch (thrown) {
      // It has a seat already.
      void viewer.close('gone');
      throw thrown;
    }
    viewer.link = player;
    this.#join(viewer);
    this.#onActivity();
    try {
      return { player, answer: await player.answer() };
    } catch (thrown) {
      await this.dismiss(player);
      throw thrown;
    }
  }

  /**
   * Takes a WebSocket; one that comes after the end is closed with the reason.
   *
   * @param viewerId - of the viewer with an event stream that it belongs to. Undefined: it is all that its viewer has, if there is
   * room for one.
   * @throws StreamKitError `at_capacity`, `no_such_viewer`.
   */
  prepareSocket(caller: Caller, viewerId: string | undefined): (sink: MessageSink) => void {
    const known = viewerId === undefined ? undefined : this.get(viewerId, caller).viewer;
    if (known === undefined) this.ensureRoom(caller);
    return (sink) => {
      const isTaken = this.sockets.admit(sink, () => {
        if (known !== undefined) return known;
        const viewer = this.#newViewer(caller);
        this.#join(viewer);
        return viewer;
      });
      if (isTaken) this.#onActivity();
    };
  }

  /**
   * Checks that there is, or can be made, a seat for one more viewer of a caller.
   *
   * @throws StreamKitError `at_capacity`.
   */
  checkRoom(caller: Caller, status = 429): void {
    this.#checkCaller(caller, status);
    const { maxViewersPerSession } = this.#parameters.settings;
    if (this.#seated < maxViewersPerSession || this.#longestAway() !== undefined) return;
    const sentence = 'The session has as many viewers as it may';
    throw new StreamKitError('at_capacity', sentence, { status, headers: RETRY_LATER });
  }

  #checkCaller(caller: Caller, status: number): void {
    const { maxViewersPerCaller } = this.#parameters.settings;
    if (caller.role === 'operator' || this.countOf(caller.key) < maxViewersPerCaller) return;
    const sentence = 'This caller has as many viewers in this session as it may';
    throw new StreamKitError('at_capacity', sentence, { status, headers: RETRY_LATER });
  }

  /** How many have a seat here: all but those whose media comes from elsewhere. */
  get #seated(): number {
    return this.#viewers.size - (this.overflow?.size ?? 0);
  }

  /** How many get, or are about to get, their media from here. */
  #countDirect(): number {
    return this.#all().filter(({ link, hasSocket }) => {
      if (!(link instanceof EventStreamLink)) return true;
      return (
        hasSocket || (this.overflow?.has(link) !== true && (link.wantsMedia || link.media !== undefined))
      );
    }).length;
  }

  /**
   * As {@link checkRoom}, and makes the seat: in a full session a viewer whose event stream is lost gives way, the one that
   * has been away for longest first.
   */
  ensureRoom(caller: Caller, status = 429): void {
    this.checkRoom(caller, status);
    const away = this.#longestAway();
    if (this.#seated >= this.#parameters.settings.maxViewersPerSession && away !== undefined)
      void this.#dismiss(away);
  }

  /** Undefined: nobody is away. */
  #longestAway(): Viewer | undefined {
    const [longest] = [...this.#viewers.values()]
      .filter(({ awaySinceUs, link }) => awaySinceUs !== undefined && !(link && this.overflow?.has(link)))
      .sort((one, other) => (one.awaySinceUs ?? 0) - (other.awaySinceUs ?? 0));
    return longest;
  }

  /** Closes a player that goes. */
  async dismiss({ viewer }: WhepLink): Promise<void> {
    this.#listener.onActivity();
    await this.#dismiss(viewer);
  }

  /**
   * Undefined where no viewer with an event stream has this id.
   *
   * @throws StreamKitError `no_such_viewer` for one that does not obey this caller, which is not to learn that there is one.
   */
  find(viewerId: string, caller: Caller): EventStreamLink | undefined {
    const found = this.#viewers.get(secretDigest(viewerId))?.link;
    if (!(found instanceof EventStreamLink)) return undefined;
    if (!found.viewer.obeys(caller)) throw noSuchViewer();
    return found;
  }

  /** @throws StreamKitError `no_such_viewer`. */
  get(viewerId: string, caller: Caller): EventStreamLink {
    const found = this.find(viewerId, caller);
    if (found === undefined) throw noSuchViewer();
    return found;
  }

  /** @throws StreamKitError `no_such_viewer`, also for one that does not obey this caller. */
  getPlayer(id: string, caller: Caller): WhepLink {
    const found = this.#viewers.get(secretDigest(id))?.link;
    if (!(found instanceof WhepLink) || !found.viewer.obeys(caller)) throw noSuchViewer();
    return found;
  }

  /** There is one with an event stream and this id. */
  has(viewerId: string): boolean {
    return this.#viewers.get(secretDigest(viewerId))?.link instanceof EventStreamLink;
  }

  /** How many a caller has. */
  countOf(callerKey: string): number {
    return this.#all().filter(({ caller }) => caller.key === callerKey).length;
  }

  /** Adds how many each caller has. */
  addCounts(counts: Map<string, number>): void {
    for (const { caller } of this.#viewers.values())
      counts.set(caller.key, (counts.get(caller.key) ?? 0) + 1);
  }

  summary(): ViewerSummary {
    const media = this.#all()
      .flatMap((viewer) => viewer.media ?? [])
      .filter((one) => one.state !== 'closed');
    const connected = media.some((one) => one.state === 'connected');
    return {
      attached: this.#all().filter((viewer) => viewer.attached).length,
      streaming: connected || this.sockets.isWatched,
      signalingState: connected ? 'connected' : media.length > 0 ? 'negotiating' : 'idle',
      iceCandidatesGathered: media.length > 0 && media.every((one) => one.candidatesGathered),
    };
  }

  /** In the order in which they came. */
  list(): SessionViewer[] {
    return this.#all().map((viewer) => viewer.description);
  }

  /**
   * Changes what a viewer is allowed at most.
   *
   * @param publicId - names it.
   * @returns the bounds in force.
   * @throws StreamKitError as {@link Viewer.setBounds}; `no_such_viewer`.
   */
  setBounds(publicId: string, change: unknown): ViewerBounds {
    const viewer = this.#all().find((one) => one.publicId === publicId);
    if (viewer === undefined) throw noSuchViewer();
    return viewer.setBounds(change);
  }

  diagnostics(): ViewerDiagnostics[] {
    return this.#all().map((viewer) => viewer.diagnostics);
  }

  /** There is a new patch. */
  sendPatches(): void {
    this.#sendPatchesTo(this.#all());
    this.sockets.onStateChange();
  }

  /** A write takes about 20 µs: many viewers are served over several turns of the event loop. */
  #sendPatchesTo(viewers: readonly Viewer[]): void {
    for (const viewer of viewers.slice(0, VIEWERS_PER_TURN)) viewer.link?.sendPatches();
    if (viewers.length <= VIEWERS_PER_TURN) return;
    setImmediate(() => this.#sendPatchesTo(viewers.slice(VIEWERS_PER_TURN)));
  }

  sendSignal(event: Uint8Array): void {
    for (const { link } of this.#viewers.values()) link?.sendSignal(event);
  }

  /** The page is captured. Once. */
  goLive(media: SessionMedia, controls: PageControls): void {
    this.#live = media;
    this.control.goLive(controls);
    for (const work of this.#untilLive.splice(0)) work(media);
    this.sockets.goLive();
  }

  /**
   * Tells them all and closes them; none is left in the group but those whose WebSocket still reads. Rejects after all when one
   * could not.
   */
  async close(reason: SessionEndReason): Promise<void> {
    this.#endReason = reason;
    this.overflow?.close();
    this.control.close();
    const all = this.#all();
    for (const { log } of all) log.leave(reason);
    this.#untilLive = [];
    if (reason === 'exited') this.sockets.finish(reason);
    else this.sockets.close(reason);
    const closing = all.map((viewer) => viewer.close(reason));
    for (const viewer of all) if (!viewer.hasSocket) this.#viewers.delete(secretDigest(viewer.id));
    const failed = (await Promise.allSettled(closing)).find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #all(): Viewer[] {
    return [...this.#viewers.values()];
  }

  /** One that has no link yet and has not joined. */
  #newViewer(caller: Caller, wishes: ViewerWishes = {}): Viewer {
    const { streamId, logger, parts } = this.#parameters;
    const { clock, observe, ids } = parts;
    const log = new ViewerLog({
      ...{ streamId, viewer: ++this.#admitted },
      ...{ clock, logger, observe },
    });
    return new Viewer({
      ...{ id: ids.viewerId(), caller, log, wishes },
      openSeat: this.control.openSeat(log.publicId, caller),
      findPublicId: (id) => this.#viewers.get(secretDigest(id))?.publicId,
    });
  }

  #join(viewer: Viewer): void {
    this.#viewers.set(secretDigest(viewer.id), viewer);
    viewer.log.join();
  }

  #forget(viewer: Viewer): void {
    this.#viewers.delete(secretDigest(viewer.id));
    if (viewer.link !== undefined) this.overflow?.leave(viewer.link);
    viewer.log.leave('gone');
  }

  /** It is known no more, and its links are closed. Never rejects. */
  async #dismiss(viewer: Viewer): Promise<void> {
    this.#forget(viewer);
    viewer.closeSocket(CLOSE_POLICY_VIOLATION, NO_SUCH_VIEWER);
    this.#listener.onChange();
    try {
      await viewer.close('gone');
    } catch (thrown) {
      const { logger } = this.#parameters;
      logger.warn({ part: 'viewer', err: asError(thrown) }, 'a part did not close cleanly');
    }
  }

  #onSocketClosed(viewer: Viewer): void {
    this.#listener.onActivity();
    const isGone = viewer.link === undefined && !viewer.hasSocket;
    if (isGone) void this.#dismiss(viewer);
    else {
      if (viewer.gone && !viewer.hasSocket) this.#forget(viewer);
      this.#listener.onChange();
    }
  }

  #onActivity(): void {
    this.#listener.onActivity();
    this.#listener.onChange();
  }

  #openViewerMedia(
    link: EventStreamLink,
    listener: Pick<ViewerMediaListener, 'sendSignal' | 'input'>,
  ): ViewerMedia | null {
    if (this.#endReason !== undefined) return null;
    const { parts, renderOptions } = this.#parameters;
    return new ViewerMedia(
      parts.openViewerPeer,
      {
        videoCodecs: link.videoCodecs,
        audio: renderOptions.audio,
        iceServers: link.iceServers.server,
      },
      {
        ...listener,
        onMediaChange: () => this.#listener.onChange(),
        whenLive: (work) => this.#whenLive(work),
      },
      link.viewer.log,
      link.viewer.limits,
    );
  }

  #whenLive(work: (media: SessionMedia) => void): void {
    if (this.#live === undefined) this.#untilLive.push(work);
    else work(this.#live);
  }
}

function noSuchViewer(): StreamKitError {
  return new StreamKitError('no_such_viewer', 'There is no such viewer');
}
