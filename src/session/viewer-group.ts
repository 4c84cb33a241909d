import { asError, StreamKitError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { EventLogEntry } from './event-log.js';
import { Player } from './player.js';
import type { RenderOptions } from './render-options.js';
import { codecsToOffer } from './render-options.js';
import type { SessionEndReason } from './session-events.js';
import type { ViewerDiagnostics } from './session-diagnostics.js';
import type { SessionMedia } from './session-media.js';
import type { SessionParts, SessionSettings } from './session-parts.js';
import type { StatePublisher } from './state-publisher.js';
import type { ViewerRequest } from './viewer.js';
import { Viewer } from './viewer.js';
import { ViewerJournal } from './viewer-journal.js';
import { ViewerMedia } from './viewer-media.js';
import type { ViewerMediaListener } from './viewer-media.js';

/** What the viewers of a session come to together. */
export interface ViewerSummary {
  /** Those with an open event stream, and players. */
  readonly attached: number;
  readonly signalingState: 'idle' | 'negotiating' | 'connected';
  /** Every peer there is has gathered its candidates, and there is one. */
  readonly iceCandidatesGathered: boolean;
}

export interface ViewerGroupParameters {
  readonly streamId: string;
  readonly parts: SessionParts;
  readonly settings: Pick<SessionSettings, 'iceServers' | 'maxViewersPerSession' | 'viewerReattachMs'>;
  readonly publisher: StatePublisher;
  readonly renderOptions: Pick<RenderOptions, 'videoCodec' | 'audio'>;
  readonly logger: Logger;
}

export interface ViewerGroupListener {
  /** A viewer came or went by itself. */
  onActivity(): void;
  /** The summary may be another. */
  onChange(): void;
}

/** The viewers of one session: those with an event stream, and the players, which have a peer alone. */
export class ViewerGroup {
  readonly #parameters: ViewerGroupParameters;
  readonly #listener: ViewerGroupListener;
  readonly #viewers = new Set<Viewer>();
  readonly #players = new Set<Player>();
  #admitted = 0;
  #live: SessionMedia | undefined;
  /** What waits for the page to be captured: at most one entry a viewer's peer. */
  #untilLive: ((media: SessionMedia) => void)[] = [];
  #endReason: SessionEndReason | undefined;

  constructor(parameters: ViewerGroupParameters, listener: ViewerGroupListener) {
    this.#parameters = parameters;
    this.#listener = listener;
  }

  /**
   * Finds the viewer that comes back, or makes a new one.
   *
   * @throws StreamKitError `conflict` for a codec that the session does not have, `at_capacity`.
   */
  admit(request: ViewerRequest): Viewer {
    const { parts, settings, publisher, renderOptions } = this.#parameters;
    const videoCodecs = codecsToOffer(renderOptions.videoCodec, request.videoCodec);
    const returning = request.viewerId === undefined ? undefined : this.find(request.viewerId);
    if (returning !== undefined) return returning;
    if (this.#isFull()) {
      const headers = { 'Retry-After': '5' };
      throw new StreamKitError('at_capacity', 'The session has as many viewers as it may', { headers });
    }
    const viewer = new Viewer(
      {
        journal: this.#openJournal(),
        id: parts.ids.viewerId(),
        videoCodecs,
        clock: parts.clock,
        publisher,
        iceServers: settings.iceServers,
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
      this.#viewers.add(viewer);
      viewer.journal.join();
    } else void viewer.close(this.#endReason);
    return viewer;
  }

  /**
   * Makes a player of an offer, and the answer to it.
   *
   * @throws StreamKitError `unprocessable` for an offer that cannot be served, `at_capacity` (503).
   */
  async admitPlayer(offer: string): Promise<{ player: Player; answer: string }> {
    const { parts, settings, renderOptions } = this.#parameters;
    if (this.#isFull()) {
      const sentence = 'The session has as many viewers as it may';
      throw new StreamKitError('at_capacity', sentence, { status: 503, headers: { 'Retry-After': '5' } });
    }
    const player = new Player(
      {
        id: parts.ids.viewerId(),
        openAnsweringPeer: parts.openAnsweringPeer,
        peer: {
          videoCodecs: codecsToOffer(renderOptions.videoCodec, undefined),
          audio: renderOptions.audio,
          iceServers: settings.iceServers,
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
    this.#players.add(player);
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

  /** Closes a player that goes. */
  async dismiss(player: Player): Promise<void> {
    this.#forget(player);
    this.#listener.onActivity();
    this.#listener.onChange();
    await this.#closed(player.close());
  }

  /** Looks at every viewer, so that the time it takes says nothing of which one it was. */
  find(viewerId: string): Viewer | undefined {
    let found: Viewer | undefined;
    for (const viewer of this.#viewers) if (viewer.hasId(viewerId)) found = viewer;
    return found;
  }

  /** As {@link find}. */
  findPlayer(id: string): Player | undefined {
    let found: Player | undefined;
    for (const player of this.#players) if (player.hasId(id)) found = player;
    return found;
  }

  summary(): ViewerSummary {
    const viewers = [...this.#viewers];
    const media = [
      ...viewers.flatMap((viewer) => viewer.media ?? []),
      ...[...this.#players].map((player) => player.media),
    ].filter((one) => one.state !== 'closed');
    const connected = media.some((one) => one.state === 'connected');
    return {
      attached: viewers.filter((viewer) => viewer.attached).length + this.#players.size,
      signalingState: connected ? 'connected' : media.length > 0 ? 'negotiating' : 'idle',
      iceCandidatesGathered: media.length > 0 && media.every((one) => one.candidatesGathered),
    };
  }

  diagnostics(): ViewerDiagnostics[] {
    return [...this.#viewers, ...this.#players].map((viewer) => viewer.diagnostics);
  }

  sendPatch(entry: EventLogEntry): void {
    for (const viewer of this.#viewers) viewer.sendPatch(entry);
  }

  sendSignal(event: Uint8Array): void {
    for (const viewer of this.#viewers) viewer.sendSignal(event);
  }

  /** The page is captured. Once. */
  goLive(media: SessionMedia): void {
    this.#live = media;
    for (const work of this.#untilLive.splice(0)) work(media);
  }

  /** Tells them all and closes them; none is left in the group. Rejects after all when one could not. */
  async close(reason: SessionEndReason): Promise<void> {
    this.#endReason = reason;
    for (const { journal } of [...this.#viewers, ...this.#players]) journal.leave(reason);
    this.#untilLive = [];
    const closing = [
      ...[...this.#viewers].map((viewer) => viewer.close(reason)),
      ...[...this.#players].map((player) => player.close()),
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
    this.#players.delete(player);
    player.journal.leave('gone');
  }

  /** Those that are away for a while count too. */
  #isFull(): boolean {
    return this.#viewers.size + this.#players.size >= this.#parameters.settings.maxViewersPerSession;
  }

  #openViewerMedia(viewer: Viewer, listener: Pick<ViewerMediaListener, 'sendSignal'>): ViewerMedia | null {
    if (this.#endReason !== undefined) return null;
    const { parts, settings, renderOptions } = this.#parameters;
    return new ViewerMedia(
      parts.openViewerPeer,
      {
        videoCodecs: viewer.videoCodecs,
        audio: renderOptions.audio,
        iceServers: settings.iceServers,
      },
      {
        sendSignal: listener.sendSignal,
        onMediaChange: () => this.#listener.onChange(),
        whenLive: (work) => this.#whenLive(work),
      },
      viewer.journal,
    );
  }

  #whenLive(work: (media: SessionMedia) => void): void {
    if (this.#live === undefined) this.#untilLive.push(work);
    else work(this.#live);
  }

  #onViewerGone(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    viewer.journal.leave('gone');
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
