import type { ViewerDiagnostics } from '../protocol/session-diagnostics.js';
import type { PageControls } from '../render/capture/page-controls.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { IceServerOption } from '../options/ice-server-options.js';
import type { InputTarget } from '../input/input-target.js';
import type { Logger } from '../base/logger.js';
import type { Caller } from './caller.js';
import type { MessageSink } from './message-sink.js';
import { Player } from './player.js';
import type { RenderOptions } from './render-options.js';
import { codecsToOffer } from './render-options.js';
import { secretDigest } from './secret-digest.js';
import type { SessionEndReason } from './session-events.js';
import { type SessionViewer, sessionViewer } from './session-viewer.js';
import type { SessionMedia } from './session-media.js';
import { SessionControl } from './session-control.js';
import type { SessionControlListener } from './session-control.js';
import type { SessionParts, SessionSettings } from './session-parts.js';
import type { StatePublisher } from './state-publisher.js';
import type { StreamClients, StreamClientsParameters } from './stream-clients.js';
import type { ViewerRequest } from './viewer.js';
import { Viewer } from './viewer.js';
import { ViewerJournal } from './viewer-journal.js';
import { ViewerMedia } from './viewer-media.js';
import type { ViewerMediaListener } from './viewer-media.js';

/** How many event streams are written to before other work has its turn. */
const VIEWERS_PER_TURN = 16;

/** What the viewers of a session come to together. */
export interface ViewerSummary {
  /** Those with an open event stream or WebSocket, players, and WebSockets that are viewers of their own. */
  readonly attached: number;
  readonly signalingState: 'idle' | 'negotiating' | 'connected';
  /** Somebody is sent media, or would be if there was any. */
  readonly streaming: boolean;
  /** Every peer there is has gathered its candidates, and there is one. */
  readonly iceCandidatesGathered: boolean;
}

export interface ViewerGroupParameters {
  readonly streamId: string;
  readonly parts: SessionParts;
  readonly settings: Pick<
    SessionSettings,
    'maxViewersPerSession' | 'maxViewersPerCaller' | 'viewerReattachMs'
  >;
  readonly publisher: StatePublisher;
  readonly renderOptions: Pick<RenderOptions, 'videoCodec' | 'audio'>;
  /** Makes what takes the WebSockets; it is told when one comes or goes. */
  readonly openStreams: (
    hooks: Pick<StreamClientsParameters, 'openJournal' | 'openSeat' | 'onChange'>,
  ) => StreamClients;
  readonly logger: Logger;
}

export interface ViewerGroupListener extends SessionControlListener {
  /** A viewer came or went by itself. */
  onActivity(): void;
  /** The summary may be another. */
  onChange(): void;
}

/**
 * The viewers of one session: those with an event stream, the players, which have a peer alone, and the WebSockets that belong
 * to no viewer, which have none.
 */
export class ViewerGroup {
  readonly #parameters: ViewerGroupParameters;
  readonly #listener: ViewerGroupListener;
  /** By the digests of their secret ids, see {@link secretDigest}. */
  readonly #viewers = new Map<string, Viewer>();
  readonly #players = new Map<string, Player>();
  #admitted = 0;
  readonly streams: StreamClients;
  readonly control: SessionControl;
  #live: SessionMedia | undefined;
  /** What waits for the page to be captured: at most one entry a viewer's peer. */
  #untilLive: ((media: SessionMedia) => void)[] = [];
  #endReason: SessionEndReason | undefined;

  constructor(parameters: ViewerGroupParameters, listener: ViewerGroupListener) {
    this.#parameters = parameters;
    this.#listener = listener;
    const { streamId, parts, logger } = parameters;
    const { clock, openRemoteControl } = parts;
    this.control = new SessionControl({ streamId, openRemoteControl, clock, logger }, listener);
    this.streams = parameters.openStreams({
      openJournal: () => this.#openJournal(),
      openSeat: (publicId, caller) => this.control.openSeat(publicId, caller),
      onChange: () => {
        listener.onActivity();
        listener.onChange();
      },
    });
  }

  /**
   * Finds the viewer that comes back, or makes a new one.
   *
   * @throws StreamKitError `conflict` for a codec that the session does not have, `no_such_viewer` for one that does not
   * obey the caller, `at_capacity`.
   */
  admit(request: ViewerRequest): Viewer {
    const { parts, settings, publisher, renderOptions } = this.#parameters;
    const { caller, viewerId } = request;
    const videoCodecs = codecsToOffer(renderOptions.videoCodec, request.videoCodec);
    const returning = viewerId === undefined ? undefined : this.find(viewerId, caller);
    // One that has its media by a WebSocket does without the peer.
    if (returning?.isLost === true && request.media) this.#onViewerGone(returning);
    else if (returning !== undefined) return returning;
    this.ensureRoom(caller);
    const journal = this.#openJournal();
    const viewer = new Viewer(
      {
        journal,
        openSeat: this.control.openSeat(journal.publicId, caller),
        findPublicId: (id) => this.#viewers.get(secretDigest(id))?.publicId,
        id: parts.ids.viewerId(),
        caller,
        videoCodecs,
        wishes: request.wishes ?? {},
        clock: parts.clock,
        publisher,
        reattachMs: settings.viewerReattachMs,
      },
      {
        onViewerChange: () => {
          this.#listener.onActivity();
          this.#listener.onChange();
        },
        onViewerGone: (gone) => this.#onViewerGone(gone),
        openMedia: (of, listener) => this.#openViewerMedia(of, listener),
      },
    );
    // A session that has ended shows its last state and why, nothing more.
    if (this.#endReason === undefined) {
      this.#viewers.set(secretDigest(viewer.id), viewer);
      viewer.journal.join();
    } else void viewer.close(this.#endReason);
    return viewer;
  }

  /**
   * Makes a player of an offer, and the answer to it.
   *
   * @param iceServers - for our end.
   * @throws StreamKitError `unprocessable` for an offer that cannot be served, `at_capacity` (503).
   */
  async admitPlayer(
    caller: Caller,
    offer: string,
    iceServers: readonly IceServerOption[],
  ): Promise<{ player: Player; answer: string }> {
    const { parts, renderOptions } = this.#parameters;
    this.ensureRoom(caller, 503);
    const player = new Player(
      {
        id: parts.ids.viewerId(),
        caller,
        openAnsweringPeer: parts.openAnsweringPeer,
        peer: {
          videoCodecs: codecsToOffer(renderOptions.videoCodec, undefined),
          audio: renderOptions.audio,
          iceServers,
          offer,
        },
        journal: this.#openJournal(),
      },
      {
        onPlayerChange: (changed) => {
          if (changed.media.state === 'closed') this.#forget(changed);
          this.#listener.onChange();
        },
        whenLive: (work) => this.#whenLive(work),
      },
    );
    this.#players.set(secretDigest(player.id), player);
    player.journal.join();
    this.#listener.onActivity();
    this.#listener.onChange();
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
   * @param viewerId - of the viewer that it belongs to. Undefined: it is one of its own, if there is room.
   * @throws StreamKitError `at_capacity`, `no_such_viewer`.
   */
  prepareStream(caller: Caller, viewerId: string | undefined): (sink: MessageSink) => void {
    const viewer = viewerId === undefined ? undefined : this.get(viewerId, caller);
    if (viewer === undefined) this.ensureRoom(caller);
    return (sink) => this.streams.admit(sink, caller, viewer);
  }

  /**
   * Checks that there is, or can be made, a seat for one more viewer of a caller.
   *
   * @throws StreamKitError `at_capacity`.
   */
  checkRoom(caller: Caller, status = 429): void {
    const { maxViewersPerSession, maxViewersPerCaller } = this.#parameters.settings;
    const headers = { 'Retry-After': '5' };
    if (caller.role !== 'operator' && this.countOf(caller) >= maxViewersPerCaller) {
      const sentence = 'This caller has as many viewers in this session as it may';
      throw new StreamKitError('at_capacity', sentence, { status, headers });
    }
    const size = this.#viewers.size + this.#players.size + this.streams.size;
    if (size < maxViewersPerSession || this.#longestAway() !== undefined) return;
    throw new StreamKitError('at_capacity', 'The session has as many viewers as it may', { status, headers });
  }

  /**
   * As {@link checkRoom}, and makes the seat: in a full session a viewer whose event stream is lost gives way, the one that
   * has been away for longest first.
   */
  ensureRoom(caller: Caller, status = 429): void {
    this.checkRoom(caller, status);
    const size = this.#viewers.size + this.#players.size + this.streams.size;
    const away = this.#longestAway();
    if (size >= this.#parameters.settings.maxViewersPerSession && away !== undefined)
      this.#onViewerGone(away);
  }

  /** Undefined: nobody is away. One whose WebSocket is open is not. */
  #longestAway(): Viewer | undefined {
    const [longest] = [...this.#viewers.values()]
      .filter((viewer) => viewer.awaySinceUs !== undefined && !this.streams.serves(viewer))
      .sort((one, other) => (one.awaySinceUs ?? 0) - (other.awaySinceUs ?? 0));
    return longest;
  }

  /** Closes a player that goes. */
  async dismiss(player: Player): Promise<void> {
    this.#forget(player);
    this.#listener.onActivity();
    this.#listener.onChange();
    await this.#closed(player.close());
  }

  /**
   * Undefined where no viewer has this id.
   *
   * @throws StreamKitError `no_such_viewer` for one that does not obey this caller, which is not to learn that there is one.
   */
  find(viewerId: string, caller: Caller): Viewer | undefined {
    const found = this.#viewers.get(secretDigest(viewerId));
    if (found?.obeys(caller) === false) throw noSuchViewer();
    return found;
  }

  /** @throws StreamKitError `no_such_viewer`. */
  get(viewerId: string, caller: Caller): Viewer {
    const found = this.find(viewerId, caller);
    if (found === undefined) throw noSuchViewer();
    return found;
  }

  /** @throws StreamKitError `no_such_viewer`, also for one that does not obey this caller. */
  getPlayer(id: string, caller: Caller): Player {
    const found = this.#players.get(secretDigest(id));
    if (found?.obeys(caller) !== true) throw noSuchViewer();
    return found;
  }

  has(viewerId: string): boolean {
    return this.#viewers.has(secretDigest(viewerId));
  }

  /** How many a caller has, players among them. */
  countOf({ key }: Caller): number {
    const all = [...this.#viewers.values(), ...this.#players.values()];
    return all.filter((viewer) => viewer.callerKey === key).length + this.streams.countOf(key);
  }

  summary(): ViewerSummary {
    const viewers = [...this.#viewers.values()];
    const media = [
      ...viewers.flatMap((viewer) => viewer.media ?? []),
      ...[...this.#players.values()].map((player) => player.media),
    ].filter((one) => one.state !== 'closed');
    const connected = media.some((one) => one.state === 'connected');
    const attached = viewers.filter((viewer) => viewer.attached || this.streams.serves(viewer));
    return {
      attached: attached.length + this.#players.size + this.streams.size,
      streaming: connected || this.streams.isWatched,
      signalingState: connected ? 'connected' : media.length > 0 ? 'negotiating' : 'idle',
      iceCandidatesGathered: media.length > 0 && media.every((one) => one.candidatesGathered),
    };
  }

  /** Those with an event stream, players, and WebSockets that are viewers of their own. */
  list(): SessionViewer[] {
    const viewers = [...this.#viewers.values()].map(({ diagnostics, role, caller }) =>
      sessionViewer(caller, { ...diagnostics, role }),
    );
    const players = [...this.#players.values()].map(({ diagnostics, caller }) =>
      sessionViewer(caller, { ...diagnostics, role: 'viewer' }),
    );
    return [...viewers, ...players, ...this.streams.list()];
  }

  diagnostics(): ViewerDiagnostics[] {
    return [...this.#viewers.values(), ...this.#players.values()].map((viewer) => viewer.diagnostics);
  }

  /** There is a new patch. */
  sendPatches(): void {
    this.#sendPatchesTo([...this.#viewers.values()]);
    this.streams.onStateChange();
  }

  /** A write takes about 20 µs: many viewers are served over several turns of the event loop. */
  #sendPatchesTo(viewers: readonly Viewer[]): void {
    for (const viewer of viewers.slice(0, VIEWERS_PER_TURN)) viewer.sendPatches();
    if (viewers.length <= VIEWERS_PER_TURN) return;
    setImmediate(() => this.#sendPatchesTo(viewers.slice(VIEWERS_PER_TURN)));
  }

  sendSignal(event: Uint8Array): void {
    for (const viewer of this.#viewers.values()) viewer.sendSignal(event);
  }

  /** The page is captured. Once. */
  goLive(media: SessionMedia, controls: PageControls): void {
    this.#live = media;
    this.control.goLive(controls);
    for (const work of this.#untilLive.splice(0)) work(media);
    this.streams.goLive();
  }

  /** The terminal is open. Once. */
  goLiveTo(target: InputTarget): void {
    this.control.goLiveTo(target);
    this.streams.goLive();
  }

  /** Tells them all and closes them; none is left in the group. Rejects after all when one could not. */
  async close(reason: SessionEndReason): Promise<void> {
    this.#endReason = reason;
    this.control.close();
    for (const { journal } of [...this.#viewers.values(), ...this.#players.values()]) journal.leave(reason);
    this.#untilLive = [];
    if (reason === 'exited') this.streams.finish(reason);
    else this.streams.close(reason);
    const closing = [
      ...[...this.#viewers.values()].map((viewer) => viewer.close(reason)),
      ...[...this.#players.values()].map((player) => player.close()),
    ];
    this.#viewers.clear();
    this.#players.clear();
    const failed = (await Promise.allSettled(closing)).find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Of a viewer that is about to join. */
  #openJournal(): ViewerJournal {
    const { streamId, logger, parts } = this.#parameters;
    const { clock, observe } = parts;
    return new ViewerJournal({ ...{ streamId, viewer: ++this.#admitted }, ...{ clock, logger, observe } });
  }

  #forget(player: Player): void {
    this.#players.delete(secretDigest(player.id));
    player.journal.leave('gone');
  }

  #openViewerMedia(
    viewer: Viewer,
    listener: Pick<ViewerMediaListener, 'sendSignal' | 'input'>,
  ): ViewerMedia | null {
    if (this.#endReason !== undefined) return null;
    const { parts, renderOptions } = this.#parameters;
    return new ViewerMedia(
      parts.openViewerPeer,
      {
        videoCodecs: viewer.videoCodecs,
        audio: renderOptions.audio,
        iceServers: viewer.iceServers.server,
      },
      {
        ...listener,
        onMediaChange: () => this.#listener.onChange(),
        whenLive: (work) => this.#whenLive(work),
      },
      viewer.journal,
      viewer.wishes,
    );
  }

  #whenLive(work: (media: SessionMedia) => void): void {
    if (this.#live === undefined) this.#untilLive.push(work);
    else work(this.#live);
  }

  #onViewerGone(viewer: Viewer): void {
    this.#viewers.delete(secretDigest(viewer.id));
    viewer.journal.leave('gone');
    this.streams.dismiss(viewer);
    this.#listener.onChange();
    void this.#closed(viewer.close('gone'));
  }

  #closed(closing: Promise<void>): Promise<void> {
    return closing.catch((thrown: unknown) => {
      const { logger } = this.#parameters;
      logger.warn({ part: 'viewer', err: asError(thrown) }, 'a part did not close cleanly');
    });
  }
}

function noSuchViewer(): StreamKitError {
  return new StreamKitError('no_such_viewer', 'There is no such viewer');
}
