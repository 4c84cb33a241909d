import type { MediaSource } from '../../protocol/media-source.js';
import { StreamError } from '../connection/stream-error.js';
import type { PeerReport } from '../diagnose/peer-report.js';
import type { StatsReport } from '../diagnose/stats-sampler.js';
import { FirstPicture } from './first-picture.js';
import { LiveKitPlayer, type LoadLiveKit, loadPackage } from './livekit-player.js';
import type { MediaLink, MediaLinkListener, MediaSignal } from './media-link.js';
import type { OpenLink } from './peer-retry.js';
import type { SourcePlayer } from './source-player.js';
import { WhepPlayer } from './whep-player.js';

export interface OverflowMediaOptions {
  readonly iceServers: RTCIceServer[];
  readonly livekit: LoadLiveKit | false | undefined;
}

/** What an {@link OverflowMedia} tells its owner. */
export interface OverflowMediaListener {
  /** Nothing comes from the media server, and nothing else has been offered. At most once. */
  onFailed(error: StreamError): void;
  /** Makes a peer for an offer of the server. */
  readonly openLink: OpenLink;
  /** The server serves this viewer itself: the link is the listener's, and its tracks come into this stream. At most once. */
  onReturn(link: MediaLink): void;
  /** Of that link, once it is taken; gets what its data channel brings before as well. */
  readonly links: MediaLinkListener;
}

/** A media server from which no packet of a picture has come by then is given up, ms. */
const FIRST_MEDIA_MS = 15_000;
/** An offer of the server that has led to no picture by then is given up, ms. */
const RETURN_MS = 15_000;

/** The media of one viewer that was sent to a media server, until the server offers it a peer that brings a picture. */
export class OverflowMedia {
  readonly source: MediaSource;
  readonly #listener: OverflowMediaListener;
  readonly #player: SourcePlayer;
  readonly #firstPicture = new FirstPicture();
  readonly #timer: ReturnType<typeof setTimeout>;
  #link: MediaLink | undefined;
  #returnTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(
    source: MediaSource,
    { iceServers, livekit }: OverflowMediaOptions,
    listener: OverflowMediaListener,
  ) {
    this.source = source;
    this.#listener = listener;
    const tell = {
      onTrack: (track: MediaStreamTrack) => {
        if (track.kind === 'video') this.#awaitMedia(track);
        listener.links.onTrack(track);
      },
      onLost: (error: Error) => this.#lose(error.message),
    };
    this.#player =
      source.kind === 'whep'
        ? new WhepPlayer(source, iceServers, tell)
        : new LiveKitPlayer(source, (livekit === false ? undefined : livekit) ?? loadPackage, tell);
    this.#timer = setTimeout(() => this.#lose('no picture has come'), FIRST_MEDIA_MS);
  }

  get stream(): MediaStream {
    return this.#player.stream;
  }

  /** The server is about to serve this viewer itself. */
  accept(signal: MediaSignal): void {
    this.#link ??= this.#openLink();
    this.#link.accept(signal);
  }

  signalingLost(): void {
    this.#link?.signalingLost();
  }

  signalingRestored(iceServers: RTCIceServer[]): void {
    this.#link?.signalingRestored(iceServers);
  }

  wake(): void {
    this.#link?.wake();
  }

  /** Input goes to the server alone. @returns false while there is no connection to it. */
  sendInput(text: string, maxWaitingBytes?: number): boolean {
    return this.#link?.sendInput(text, maxWaitingBytes) ?? false;
  }

  getStats(): Promise<StatsReport> {
    return this.#player.getStats();
  }

  /** There is no peer of the server. */
  report(): PeerReport | undefined {
    return undefined;
  }

  /** Idempotent. No connection, element or timer is left, and nothing is told any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#dropLink();
    this.#closePlayer();
  }

  #awaitMedia(track: MediaStreamTrack): void {
    const arrived = (): void => clearTimeout(this.#timer);
    // It is muted until its first packet.
    if (!track.muted) arrived();
    else track.addEventListener('unmute', arrived, { once: true });
  }

  #openLink(): MediaLink {
    const { links } = this.#listener;
    clearTimeout(this.#returnTimer);
    this.#returnTimer = setTimeout(() => this.#dropLink(), RETURN_MS);
    const watch = (stream: MediaStream): void => this.#firstPicture.watch(stream, () => this.#return(true));
    const link = this.#listener.openLink({
      onMedia: watch,
      onTrack: () => undefined,
      onPeerState: () => undefined,
      onInputMessage: (text) => links.onInputMessage(text),
      onStalled: () => this.#dropLink(),
      onLost: () => this.#dropLink(),
    });
    watch(link.stream);
    return link;
  }

  #dropLink(): void {
    clearTimeout(this.#returnTimer);
    this.#firstPicture.close();
    this.#link?.close();
    this.#link = undefined;
  }

  /**
   * What the server sends takes over.
   *
   * @param isShown - it has brought a picture.
   */
  #return(isShown: boolean): void {
    const link = this.#link;
    if (link === undefined || this.#closed) return;
    this.#link = undefined;
    const { stream } = this.#player;
    const own = stream.getTracks();
    const { links } = this.#listener;
    this.#listener.onReturn(link);
    link.listener = links;
    for (const track of link.stream.getTracks()) {
      stream.addTrack(track);
      links.onTrack(track);
    }
    link.stream = stream;
    // After the others are there, and before they end: no element is without a picture.
    for (const track of own) stream.removeTrack(track);
    this.close();
    if (isShown) links.onPeerState('connected');
  }

  #closePlayer(): void {
    const { stream } = this.#player;
    const own = stream.getTracks();
    this.#player.close();
    for (const track of own) if (track.readyState === 'ended') stream.removeTrack(track);
  }

  #lose(reason: string): void {
    if (this.#closed) return;
    // It may be that the server has just taken over.
    if (this.#link) {
      this.#return(false);
      return;
    }
    const { kind } = this.source;
    this.close();
    this.#listener.onFailed(
      new StreamError('source_failed', `No media comes from the ${kind} server (${reason})`),
    );
  }
}
